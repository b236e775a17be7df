--- A picture for who has none at hand: hills and a sun, 240 by 160.

local decode = require("telnyx.sandbox.base64")

local TEXT = [[
  iVBORw0KGgoAAAANSUhEUgAAAPAAAACgAgMAAABPtQn2AAAADFBMVEXo7vTytUqPqaBPdWv9rUJbAAABw0lEQVR42u2W
  TW6DMBCFExAbd8Gql0gXPQI9QhZwvyzRbHqEcCQOEGkK5c/YHmPNSI1SzdtGn97nRxJ8Omk0Go1GoxlSNE3NZc/NkCsT
  fh/hRlDMrS4muBZYM71ntvniH5l36GKBa8GRWYdeWc6hJfB5g69/CxcbXL8QvD1mxoNWWOH/Cr/o7/l5f4DP+9OXvatE
  b0nR+1l0M5DdSUS3IdE9THQDlN09RbdejUajmfIQsCV2fLjCns3miCgoRn71wOKDPdeYjl/Mrc4nGNlzIXOypZhVXa5w
  x52LmCy7xdDse4MD1aaNweZuwf5kF4jBH2jH8wKIeGf3HexWG4CIt9mx3mQXgIj35x52JhusI96ZwzrVZoRJ7zcXRs+a
  9q48uHetSe8cMVZtJrg9+loHJ5usKe8Aa002WxPeoWKr2ixwmzbXbrLFOuidYzjL5ysb8q4IuPfgNm0ue7INhsS5rMkg
  4k2ySzXQ3jkNowdD4lzbZEB6x4rnaiC9yyjcuTAkzrVOBpR3vHiqBsq7OoB7F4bUuebJgPCuDuHehdvEuebJIOxdHsPD
  ZBD2TmCHagh65ykwujCkzvULoyAKK6ywwq8M/wCOdsxK896cSQAAAABJRU5ErkJggg==
]]

---@type string the bytes of a PNG
return decode((TEXT:gsub("%s", "")))
