"""What nobody may get away with: the abuse cases of the design, each by every door that could carry it.

Each case is refused, leaves everything as it was, and is an entry of the audit log that names the rule. Read from top
to bottom, these files are the product's specification. test_register.py holds that no case is missing.
"""
