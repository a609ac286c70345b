"""Photographs as the web has them: 640 pixels wide or high, 4:2:0, quality 85.

    shrink.py SRC DST
"""

import sys
from pathlib import Path

from PIL import Image, ImageOps

SIZE, QUALITY = (640, 640), 85


def main():
    src, dst = map(Path, sys.argv[1:])
    dst.mkdir(parents=True)
    for path in sorted(src.rglob("*.jp*g")):
        with Image.open(path) as image:
            small = ImageOps.exif_transpose(image).convert("RGB")
        small.thumbnail(SIZE)
        small.save(dst / f"{path.stem}.jpg", quality=QUALITY, subsampling="4:2:0")


if __name__ == "__main__":
    main()
