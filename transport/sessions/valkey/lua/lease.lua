-- Renews the lease of this instance. ARGV: a name for the store, should it have none.
-- Returns {name of the store, {instances whose lease is over}}.
local day_ms = 24 * 3600 * 1000
call('SET', prefix .. 'g', ARGV[ARGS], 'NX')
call('PEXPIRE', prefix .. 'g', int(day_ms))
call('ZADD', INSTANCES, int(now + lease_ms), me)
call('PEXPIRE', INSTANCES, int(day_ms))
return { call('GET', prefix .. 'g'), call('ZRANGEBYSCORE', INSTANCES, '-inf', int(now)) }
