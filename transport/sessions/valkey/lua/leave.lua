-- This instance stops. One with attempts that still run stays in the list, so that others answer them.
if call('SCARD', running_on(me)) == 0 then call('ZREM', INSTANCES, me) end
return 1
