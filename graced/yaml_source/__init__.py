"""YAML that remembers where it was written, and tables that check it. Shared by the configuration and playbooks.

`problem` says what is wrong and where; `parse` makes `node`s of text; `shape` and `scalars` check nodes against
tables and make typed values of them.
"""
