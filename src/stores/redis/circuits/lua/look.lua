-- Reads a circuit and changes nothing. Before it: clock.lua, state.lua.
--
-- KEYS[1]  state: see state.lua
--
-- Reply: view, or nil for what no script of ours wrote
return valid and view()
