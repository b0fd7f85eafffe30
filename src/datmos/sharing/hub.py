"""The Hugging Face hub: putting an exported folder there."""

from pathlib import Path
from typing import Any

from datmos.core.errors import DatmosError


def push_folder(folder: Path, repo_id: str, private: bool = False, api: Any = None) -> str:
    """Upload an exported folder as a model repository, made if it isn't there; returns its address.

    Files that an earlier export left there and this one doesn't have are removed.

    Args:
        folder: what `datmos.sharing.export.export_predictor` wrote.
        repo_id: "user/name".
        private: whether a new repository can be seen by its owner alone.
        api: an ``HfApi``; None: the usual one, with the token of `hf auth login` or HF_TOKEN.

    Raises:
        DatmosError: the hub can't be reached, or says no.
    """
    from huggingface_hub import HfApi, errors

    client_error: Any = errors.HfHubHTTPError.__bases__[0]  # of the HTTP client, httpx or its successor

    api = api or HfApi(library_name="datmos")
    try:
        api.create_repo(repo_id, private=private or None, exist_ok=True)
        api.upload_folder(
            repo_id=repo_id, folder_path=folder, commit_message=f"{folder.name}, by datmos", delete_patterns="*"
        )
    except errors.HFValidationError as error:
        raise DatmosError(f"--push: '{repo_id}' can't be the name of a repository: {error}") from None
    except (OSError, client_error) as error:
        reason = str(error).strip().splitlines()[0]
        raise DatmosError(
            f"can't push to '{repo_id}' ({reason}). The folder is whole: {folder}. Check the name and the "
            f"connection, type `hf auth login`, and push again, or upload it with `hf upload {repo_id} {folder}`"
        ) from None
    return f"https://huggingface.co/{repo_id}"
