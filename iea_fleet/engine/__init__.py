"""The hands: load, gather, apply, verify, rollout."""
