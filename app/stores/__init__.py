"""Hot and blob state. SQL is the truth; what stands here can be lost and is then built anew.

Redis keys, all under `v1:`. Every key of a tenant has the user's id in it.

    key                        type        life                what
    v1:fly                     sorted set  none                prompt ids in flight by lease end (ms of Redis's clock)
    v1:fly:{prompt}            string      the lease           JSON: user, API key, model, conversation
    v1:conv:{user}:{public}    hash        CONVERSATION_TTL    a conversation and its window: the fields stand in
                                           after last use      conversation.lua; one key, so it is lost whole or not
    v1:rl:{scope}:{id}         sorted set  60 s                requests of the last minute: a key's, user's or model's
    v1:rt:{scope}:{id}         sorted set  60 s                tokens of the last minute, and their sum: gates.lua
    v1:cc:{scope}:{id}         sorted set  the lease           requests at once, by the end of their lease
    v1:bud:{scope}:{id}:{p}    hash        3 days after use    money of a budget's period: budget.lua
    v1:idem:{scope}:{key}      hash        12 s, then 24 h     an Idempotency-Key: who is at it, then its answer
    v1:idemconv:{user}:{pub}   set         as its answers      keys whose answers go with this conversation
    v1:cache:{user}:{digest}   string      CACHE_TTL           an answer that is kept; the oldest go past CACHE_MAX_MB
    v1:caches                  sorted set  none                all of them by the ms at which they expire
    v1:caches:sizes, :bytes    hash, str.  none                bytes of each, and their sum
    v1:caches:filled           string      none                mark: all that SQL keeps is here too
    v1:flight:{user}:{digest}  string      5 s, renewed        who is asking for such an answer now
    v1:routes:…                list        60 s                calls of routes that are no chat: Flask-Limiter's own
    v1:epoch:auth              string      none                a number that a change of callers raises
    v1:epoch:catalogue         string      none                the same for models
    v1:epoch:health            string      none                the same for what is known of keys and models
    v1:health                  hash        2 h after last use  what workers learned of keys (k:{id}) and models (b:{id})
    v1:health:uses             hash        none                how often each provider key was used
    v1:try:{what}              string      as claimed          one worker of all has it to do
    v1:guess:{kind}:{digest}   sorted set  15 min              misses at sign-in by ms, of a name or an address

Versions and epochs begin at the time in microseconds, so that a Redis that was emptied never repeats an old number:
compare them for equality only. A key that holds another type than the table says is thrown away by the script that
meets it.

Scripts (`.lua` beside their classes) run alike on Redis and on fakeredis: only locals, no cjson, texts are opaque.
"""
