"""Wire and file formats, one module each, behind the registry in ``workbench/mediation/decode.py``."""
