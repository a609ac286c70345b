"""A process pool over Pillow, each task writing one tar shard.

draft() has libjpeg-turbo decode at the smallest DCT scale that still covers the size wanted, which
is the fastest that Pillow can do; ImageOps.fit resizes to cover and cuts the middle in one step.
"""

import common

import io
import multiprocessing
import time

from PIL import Image, ImageOps


def pack_shard(task):
    number, pictures, args = task

    def convert(path):
        with Image.open(path) as image:
            image.draft("RGB", common.cover_size(*image.size, args.size))
            image = ImageOps.fit(image.convert("RGB"), (args.size, args.size),
                                 method=Image.Resampling.BILINEAR)
        out = io.BytesIO()
        image.save(out, "JPEG", quality=args.quality, subsampling=0, optimize=False)
        return out.getvalue()

    common.write_tar(args.dst / f"{number:06d}.tar",
                     ((name, convert(path)) for path, _, name in pictures))
    return len(pictures)


def main():
    args = common.parse_arguments(__doc__)
    Image.init()
    with multiprocessing.get_context("fork").Pool(args.workers) as pool:
        began = time.monotonic()
        pictures, _ = common.list_pictures(args.src)
        tasks = [(i, share, args) for i, share in enumerate(common.deal(pictures))]
        done = sum(pool.imap_unordered(pack_shard, tasks))
        ended = time.monotonic()
    common.report("pillow_pool", done, began, ended, args.dst)


if __name__ == "__main__":
    main()
