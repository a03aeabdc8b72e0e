"""The credential that Crossbook's services show each other, as a header."""


def header(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
