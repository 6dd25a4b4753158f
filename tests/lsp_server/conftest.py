"""Makes the helpers of this folder importable from the folders below."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
