-- Reads entries. ARGV: 1 "bodies" or '', 2 most bytes of a payload that is read, then ids. Replies for each that exists:
-- id, state, fields of the payload; without bodies only the record; false as fields where they are gone or too long.
local bodies, max_payload = ARGV[1] == 'bodies', tonumber(ARGV[2])
local found = {}
for n = 3, #ARGV do
  local raw = redis.call('HGET', ST, ARGV[n])
  if raw then
    local st = read(raw)
    local stored = st and payload(st)
    local fields, size = false, 0
    if stored then
      fields = {}
      for i = 1, #stored, 2 do
        if bodies or stored[i] == 'r' then
          fields[#fields + 1] = stored[i]
          fields[#fields + 1] = stored[i + 1]
          size = size + #stored[i + 1]
        end
      end
      if size > max_payload then fields = false end
    end
    found[#found + 1] = { ARGV[n], st and raw or '', fields }
  end
end
return found
