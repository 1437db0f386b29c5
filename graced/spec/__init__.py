"""The frozen structs that everybody reads: configuration, playbooks, roles, replicas. They import nothing of ours."""
