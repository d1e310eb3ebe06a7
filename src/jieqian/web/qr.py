"""A QR code as a picture to stand in a page."""

from __future__ import annotations

import segno
from markupsafe import Markup

#: Modules of blank around the code (ISO/IEC 18004 asks for four), which scanners need.
QUIET_ZONE = 4


def qr_code(address: str) -> Markup:
    """SVG without a size of its own, dark on light whatever the scheme: many scanners read no other."""
    code = segno.make_qr(address, error="m")
    drawn = code.svg_inline(
        border=QUIET_ZONE, dark="black", light="white", omitsize=True, svgclass="qr", lineclass=None
    )
    return Markup(drawn)
