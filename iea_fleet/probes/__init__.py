"""What can be asked, one file a question. Pure: a verdict from answers."""
