"""Models of the Hugging Face hub: their files, downloaded or as the hub's cache on this machine has them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from datmos.core.errors import first_line


class HubError(Exception):
    """A model can't be had. The message says why and what to do, and leaves it to others to name the setting."""


def hub_file(name: str, file: str, revision: str | None) -> Path:
    """Return a file of a model.

    Args:
        name: owner/name.
        file: of the repository.
        revision: commit, tag or branch; None: main.

    Raises:
        HubError: it is not there, or can't be downloaded.
    """
    from huggingface_hub import hf_hub_download

    with _explaining(name, revision):
        return Path(hf_hub_download(name, file, revision=revision))


def hub_folder(name: str, patterns: Sequence[str], revision: str | None) -> Path:
    """Return a folder with the files of a model whose names are like ``patterns``; see `hub_file`."""
    from huggingface_hub import snapshot_download

    with _explaining(name, revision):
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(patterns)))


def hub_commit(name: str, revision: str | None) -> str:
    """Return the commit that a tag or branch of a model stands for now; see `hub_file`.

    A branch moves. What is loaded by its commit is of one state, and can be loaded again.
    """
    return hub_file(name, "config.json", revision).parent.name  # .../snapshots/<commit>/config.json


def why_not_loaded(name: str, revision: str | None, error: Exception, instead: str) -> str:
    """Return why an encoder of transformers can't be had.

    Args:
        name: owner/name on the hub, or a local folder.
        revision: commit, tag or branch.
        error: what loading it raised.
        instead: what to do with a folder that was downloaded on another machine.
    """
    reason = first_line(error)
    if Path(name).is_dir():
        return f"the folder '{name}' holds no audio encoder of transformers ({reason})"
    return (
        f"'{name}' (revision {revision}) can't be had from the Hugging Face hub: {reason.rstrip('.')}. You can "
        "also use a local folder: on a machine with a connection run "
        f"`hf download {name} --revision {revision} --local-dir FOLDER`, copy FOLDER here and {instead}"
    )


@contextmanager
def _explaining(name: str, revision: str | None) -> Iterator[None]:
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError:
        raise HubError(
            f"its owner decides who may read it. Ask on https://huggingface.co/{name}, then type `hf auth login`."
        ) from None
    except errors.RepositoryNotFoundError:
        raise HubError("there is no such model; or it is private, then type `hf auth login`.") from None
    except errors.RevisionNotFoundError:
        raise HubError(f"it has no commit, tag or branch '{revision}'.") from None
    except (OSError, ValueError, errors.EntryNotFoundError) as error:
        raise HubError(f"{first_line(error).rstrip('.')}. Check the name and the connection.") from None
