-- Says that this instance stops. One with calls that still run stays, to be found dead.
if call('SCARD', running_on(me)) == 0 then call('ZREM', INSTANCES, me) end
return 1
