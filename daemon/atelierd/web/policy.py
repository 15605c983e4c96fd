"""The headers that each answer has, so that a browser does with it no more than it should."""

from __future__ import annotations

from atelierd.outbox.pages.markup import asset_hashes

#: A file that is looked at by itself: nothing in it runs, and it loads nothing.
FILE_POLICY = (
    "default-src 'none'; sandbox; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

#: A browser shows a picture by itself in a page of its own making, with styles inside.
PICTURE_POLICY = f"{FILE_POLICY}; style-src 'unsafe-inline'"

#: What holds for every answer.
COMMON = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), usb=()",
    # To be asked again each time: a picture changes under its name.
    "cache-control": "no-cache",
}


def page_policy() -> str:
    """Return what a page may do: run atelierd's own scripts and show pictures from here.

    It goes beside the page's own policy, which anybody may change who can write to the share.
    """
    styles, scripts = asset_hashes()
    return "; ".join(
        (
            "default-src 'none'",
            "img-src 'self' data:",
            f"style-src {_quoted(styles)}",
            f"script-src {_quoted(scripts)}",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _quoted(hashes: tuple[str, ...]) -> str:
    return " ".join(f"'{one}'" for one in hashes)
