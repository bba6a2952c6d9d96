"""What can be asked, one file a question. Pure: requests to send, and a verdict from their answers.

The verdicts ok, warn, bad and unknown stand in the matrix as ``in_sync``, ``warn``, ``bad`` and ``unknown``.
"""
