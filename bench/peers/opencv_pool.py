"""A process pool over OpenCV, each task writing one tar shard.

As img2dataset does it: INTER_AREA, shorter side to the size wanted, cut in the middle.
"""

import common

import multiprocessing
import time

import cv2


def pack_shard(task):
    number, pictures, args = task
    options = [cv2.IMWRITE_JPEG_QUALITY, args.quality, cv2.IMWRITE_JPEG_OPTIMIZE, 0,
               cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]

    def convert(path):
        image = cv2.imread(path, cv2.IMREAD_COLOR)
        height, width = image.shape[:2]
        width, height = common.cover_size(width, height, args.size)
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        left, top = (width - args.size) // 2, (height - args.size) // 2
        _, data = cv2.imencode(".jpg", image[top:top + args.size, left:left + args.size], options)
        return data.tobytes()

    common.write_tar(args.dst / f"{number:06d}.tar",
                     ((name, convert(path)) for path, _, name in pictures))
    return len(pictures)


def main():
    args = common.parse_arguments(__doc__)
    cv2.setNumThreads(1)  # the processes are what runs side by side
    with multiprocessing.get_context("fork").Pool(args.workers) as pool:
        began = time.monotonic()
        pictures, _ = common.list_pictures(args.src)
        tasks = [(i, share, args) for i, share in enumerate(common.deal(pictures))]
        done = sum(pool.imap_unordered(pack_shard, tasks))
        ended = time.monotonic()
    common.report("opencv_pool", done, began, ended, args.dst)


if __name__ == "__main__":
    main()
