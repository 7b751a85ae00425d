"""Files that a handler gives beside its pictures, kept in Gradio's folder, which clears itself."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from pathlib import Path

from PIL import Image


def kept(name: str, content: bytes) -> str:
    """Puts a file there in one step, once: its folder is named by its content. Gives its path."""
    folder = Path(os.environ.get("GRADIO_TEMP_DIR", Path(tempfile.gettempdir()) / "gradio")) / hashlib.sha256(content).hexdigest()
    path = folder / name
    if path.exists():
        os.utime(path)  # still wanted: the clearing goes by age
    else:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, suffix=path.suffix, delete=False) as file:
            file.write(content)
        os.replace(file.name, path)
    return str(path)


def gif(film: list[Image.Image], scale: int) -> bytes:
    """The film, there and back, each pixel `scale` pixels wide."""
    large = [frame.resize((frame.width * scale, frame.height * scale), Image.Resampling.NEAREST) for frame in film]
    buffer = io.BytesIO()
    large[0].save(buffer, "GIF", save_all=True, append_images=large[1:] + large[-2:0:-1], duration=70, loop=0)
    return buffer.getvalue()
