"""What can be configured, one file a kind. Pure: state from answers, edits from differences."""
