--- Texts at the edges of a part, with the count that is right and the count of the naive formula.
-- A text is a list of { times, string }. `telnyx` and `gpp` are { encoding, units, naive, exact }
-- in the documented set and in the standard's full one; `gpp` is given only where it differs.
-- `lay` is how many units each part holds.

local GSM, UCS = "GSM-7", "UCS-2"
local FAMILY = "👨‍👩‍👧‍👦"
local FLAG = "🇩🇪"
local E_ACUTE = "e\204\129" -- e and U+0301, two code points
local FF = "\12"

local function row(text, telnyx, more)
  more = more or {}
  return { text = text, telnyx = telnyx, gpp = more.gpp or telnyx, lay = more.lay }
end

local ONE = "a"
local HAN = "中"
local FACE = "😀"

return {
  row({}, { GSM, 0, 0, 0 }, { lay = {} }),
  row({ { 1, ONE } }, { GSM, 1, 1, 1 }, { lay = { 1 } }),
  row({ { 160, ONE } }, { GSM, 160, 1, 1 }, { lay = { 160 } }),
  row({ { 161, ONE } }, { GSM, 161, 2, 2 }, { lay = { 153, 8 } }),
  row({ { 306, ONE } }, { GSM, 306, 2, 2 }, { lay = { 153, 153 } }),
  row({ { 307, ONE } }, { GSM, 307, 3, 3 }, { lay = { 153, 153, 1 } }),
  row({ { 1530, ONE } }, { GSM, 1530, 10, 10 }),
  row({ { 1531, ONE } }, { GSM, 1531, 11, 11 }),
  row({ { 158, ONE }, { 1, "€" } }, { GSM, 160, 1, 1 }, { lay = { 160 } }),
  row({ { 159, ONE }, { 1, "€" } }, { GSM, 161, 2, 2 }, { lay = { 153, 8 } }),
  row({ { 80, "]" } }, { GSM, 160, 1, 1 }, { lay = { 160 } }),
  row({ { 81, "]" } }, { GSM, 162, 2, 2 }, { lay = { 152, 10 } }),
  row({ { 153, "]" } }, { GSM, 306, 2, 3 }, { lay = { 152, 152, 2 } }),
  row({ { 152, ONE }, { 1, "]" }, { 152, ONE } }, { GSM, 306, 2, 3 }, { lay = { 152, 153, 1 } }),
  row({ { 152, ONE }, { 1, "]" }, { 151, ONE } }, { GSM, 305, 2, 2 }, { lay = { 152, 153 } }),
  row({ { 151, ONE }, { 1, "]" }, { 153, ONE } }, { GSM, 306, 2, 2 }, { lay = { 153, 153 } }),
  row({ { 152, ONE }, { 1, "]" }, { 7, ONE } }, { GSM, 161, 2, 2 }, { lay = { 152, 9 } }),
  row({ { 760, "]" } }, { GSM, 1520, 10, 10 }),
  row({ { 761, "]" } }, { GSM, 1522, 10, 11 }),
  row({ { 765, "]" } }, { GSM, 1530, 10, 11 }),
  row({ { 155, ONE }, { 3, "|" } }, { GSM, 161, 2, 2 }, { lay = { 153, 8 } }),
  row({ { 70, HAN } }, { UCS, 70, 1, 1 }, { lay = { 70 } }),
  row({ { 71, HAN } }, { UCS, 71, 2, 2 }, { lay = { 67, 4 } }),
  row({ { 134, HAN } }, { UCS, 134, 2, 2 }, { lay = { 67, 67 } }),
  row({ { 135, HAN } }, { UCS, 135, 3, 3 }, { lay = { 67, 67, 1 } }),
  row({ { 670, HAN } }, { UCS, 670, 10, 10 }),
  row({ { 671, HAN } }, { UCS, 671, 11, 11 }),
  row({ { 35, FACE } }, { UCS, 70, 1, 1 }, { lay = { 70 } }),
  row({ { 36, FACE } }, { UCS, 72, 2, 2 }, { lay = { 66, 6 } }),
  row({ { 66, FACE } }, { UCS, 132, 2, 2 }, { lay = { 66, 66 } }),
  row({ { 67, FACE } }, { UCS, 134, 2, 3 }, { lay = { 66, 66, 2 } }),
  row({ { 66, HAN }, { 1, FACE }, { 65, HAN } }, { UCS, 133, 2, 2 }, { lay = { 66, 67 } }),
  row({ { 66, HAN }, { 1, FACE }, { 66, HAN } }, { UCS, 134, 2, 3 }, { lay = { 66, 67, 1 } }),
  row({ { 65, HAN }, { 1, FACE }, { 67, HAN } }, { UCS, 134, 2, 2 }, { lay = { 67, 67 } }),
  row({ { 330, FACE } }, { UCS, 660, 10, 10 }),
  row({ { 331, FACE } }, { UCS, 662, 10, 11 }),
  row({ { 335, FACE } }, { UCS, 670, 10, 11 }),
  row({ { 6, FAMILY } }, { UCS, 66, 1, 1 }),
  row({ { 7, FAMILY } }, { UCS, 77, 2, 2 }),
  row({ { 13, FAMILY } }, { UCS, 143, 3, 3 }),
  row({ { 17, FLAG } }, { UCS, 68, 1, 1 }),
  row({ { 18, FLAG } }, { UCS, 72, 2, 2 }),
  row({ { 33, FLAG } }, { UCS, 132, 2, 2 }, { lay = { 66, 66 } }),
  row({ { 67, E_ACUTE } }, { UCS, 134, 2, 2 }, { lay = { 67, 67 } }),
  row({ { 70, E_ACUTE } }, { UCS, 140, 3, 3 }),
  row({ { 80, ONE }, { 1, "\r\n" }, { 79, ONE } }, { GSM, 161, 2, 2 }, { lay = { 153, 8 } }),
  row({ { 80, ONE }, { 1, "\n" }, { 79, ONE } }, { GSM, 160, 1, 1 }),
  row({ { 200, ONE }, { 1, "\r\n" }, { 105, ONE } }, { GSM, 307, 3, 3 }),
  row({ { 152, ONE }, { 1, "\r\n" }, { 152, ONE } }, { GSM, 306, 2, 2 }, { lay = { 153, 153 } }),
  row({ { 160, "Ç" } }, { UCS, 160, 3, 3 }, { gpp = { GSM, 160, 1, 1 } }),
  row({ { 160, "Δ" } }, { UCS, 160, 3, 3 }, { gpp = { GSM, 160, 1, 1 } }),
  row({ { 160, "¤" } }, { UCS, 160, 3, 3 }, { gpp = { GSM, 160, 1, 1 } }),
  row({ { 71, "Δ" } }, { UCS, 71, 2, 2 }, { gpp = { GSM, 71, 1, 1 } }),
  row({ { 1, FF }, { 70, ONE } }, { UCS, 71, 2, 2 }, { gpp = { GSM, 72, 1, 1 } }),
  row({ { 1, FF }, { 159, ONE } }, { UCS, 160, 3, 3 }, { gpp = { GSM, 161, 2, 2 } }),
  row({ { 70, ONE }, { 1, "`" } }, { UCS, 71, 2, 2 }),
  row({ { 70, ONE }, { 1, "\t" } }, { UCS, 71, 2, 2 }),
  row({ { 70, ONE }, { 1, "ç" } }, { UCS, 71, 2, 2 }),
  row({ { 70, ONE }, { 1, "’" } }, { UCS, 71, 2, 2 }),
  row({ { 70, ONE }, { 1, "\27" } }, { UCS, 71, 2, 2 }),
  row({ { 69, HAN }, { 1, "]" } }, { UCS, 70, 1, 1 }),
  row({ { 69, HAN }, { 1, "€" } }, { UCS, 70, 1, 1 }),
  row({ { 70, HAN }, { 1, "]" } }, { UCS, 71, 2, 2 }),
  row({ { 71, ONE }, { 1, "\0" } }, { UCS, 72, 2, 2 }),
}
