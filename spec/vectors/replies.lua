--- Replies byte for byte, and what must become of the request that they answer.
-- A row is { name, bytes, ending, max, expected }. `ending` is how the connection ends after the
-- bytes, "close", "break" or "timeout", or nil while it stays open; `max` is max_response_bytes
-- where it matters. `expected` has state ("done", "broken"), status (0: none was read), outcome,
-- kind (where it is broken), whole, reusable and body (where it is whole).
-- The rules are those of RFC 9112 and RFC 9110, each read the strict way: what is odd is never read
-- as a refusal, and no other exchange follows it.

local rows = {}
for _, part in ipairs { "heads", "bodies", "ends" } do
  for _, one in ipairs(require("spec.vectors.replies_" .. part)) do rows[#rows + 1] = one end
end
return rows
