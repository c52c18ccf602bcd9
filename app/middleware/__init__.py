"""Caller, request id, access log, error shaping; no business rule."""
