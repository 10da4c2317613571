-- Ends a session. ARGV: session.
end_session(ARGV[ARGS])
return 1
