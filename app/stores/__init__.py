"""Hot and blob state: Redis classes each beside its Lua file."""
