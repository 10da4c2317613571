-- Passes word on. ARGV: instance ('' for all), text. Returns 0 when that instance lives but does not listen now.
local instance = ARGV[ARGS]
local heard = say(instance, ARGV[ARGS + 1])
if instance ~= '' and heard == 0 and is_alive(instance) then return 0 end
return 1
