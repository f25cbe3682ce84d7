"""What `manage.py up` runs: the two HTTP ports, the bridge to Django, and the supervisor of all programs."""
