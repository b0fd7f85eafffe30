"""Files that anybody may have written, a shared model's above all: they are data, and are checked before use."""

import json
import stat
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from datmos.core.errors import DatmosError, brief

LARGEST_JSON = 10 * 2**20  # bytes
SHOWN = 60  # letters of a wrong value
Kind = TypeVar("Kind")


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("text without control characters and line ends is expected")
    return text


Finite = Annotated[float, Field(allow_inf_nan=False)]
Size = Annotated[int, Field(ge=1, le=2**20)]  # of one dimension of a tensor
Few = Annotated[int, Field(ge=1, le=1000)]  # layers, members, ...: what a loop runs over
Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]  # it will be shown


class Untrusted(BaseModel):
    """Part of such a file: values are taken as they are or refused; keys that are not known are left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


def check_file(path: Path) -> None:
    """Refuse what can't be read as a file: a folder, a device, a named pipe, which would be waited for.

    Raises:
        DatmosError: there is no file of this name.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise DatmosError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if not stat.S_ISREG(mode):
        raise DatmosError(f"{path}: is no regular file")


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        DatmosError: the file is missing, too large, or holds something else.
    """
    check_file(path)
    if (size := path.stat().st_size) > LARGEST_JSON:
        raise DatmosError(f"{path}: {size} bytes; a JSON file of at most {LARGEST_JSON} is expected")
    try:
        content = json.loads(path.read_bytes())
    except RecursionError:
        raise DatmosError(f"{path}: its JSON is nested too deeply") from None
    except (OSError, ValueError) as error:
        raise DatmosError(f"{path}: can't be read as JSON ({error})") from None
    if not isinstance(content, dict):
        raise DatmosError(f"{path}: a JSON object is expected, found {type(content).__name__}")
    return content


def checked(kind: type[Kind] | Any, path: Path | str, content: Any) -> Kind:
    """Return the content of a file as ``kind``, a `Untrusted` or any type with pydantic's annotations.

    Raises:
        DatmosError: it is something else; the message says where, and what was found.
    """
    try:
        found: Kind = TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        reason = first["msg"].removeprefix("Value error, ")
        value = brief(first["input"])
        # a whole section would tell less than the reason
        shown = "" if isinstance(first["input"], dict) and len(value) > SHOWN else f"; found {value[:SHOWN]}"
        raise DatmosError(": ".join(part for part in (str(path), place, reason) if part) + shown) from None
    return found
