"""The live explorer: one image, one model, one method or two, and what changes when a setting does.

To be read in this order: `looks`, what is computed; `panel` and `saving`, how it is shown and kept; `background`, the
thread that it is computed in; `app`, the controls and what a choice does.
"""

from segattr_lib.explorer.app import explore, frozen
from segattr_lib.explorer.looks import Look, compared, look

__all__ = ["Look", "compared", "explore", "frozen", "look"]
