"""Print configs/reference.yaml: every config key with its meaning, range and default.

python scripts/write_reference_config.py > configs/reference.yaml
"""

from nmt.config.reference import reference

print(reference(), end="")
