--- Where what is printed goes: whether somebody looks at it, how wide it may be, its colours.

local screen = {}

local DEFAULT_WIDTH = 80

---@param descriptor integer 1 standard output, 2 standard error
---@return boolean
function screen.is_terminal(descriptor)
  local ok = os.execute("test -t " .. descriptor)
  return ok == true or ok == 0
end

local function measured(descriptor)
  if not screen.is_terminal(descriptor) then return nil end
  local pipe = io.popen("stty size <&" .. descriptor .. " 2>/dev/null")
  if not pipe then return nil end
  local said = pipe:read("*a")
  pipe:close()
  return tonumber(said:match("^%d+ (%d+)"))
end

---COLUMNS, or as the terminal says, or 80.
---@param descriptor integer
---@return integer columns
function screen.width(descriptor)
  local given = tonumber(os.getenv("COLUMNS"))
  local width = given or measured(descriptor)
  return width and width >= 1 and math.floor(width) or DEFAULT_WIDTH
end

local CODES = { bold = 1, dim = 2, red = 31, green = 32, yellow = 33 }

---A function that colours text, where somebody sees it and NO_COLOR does not forbid it.
---@param descriptor integer
---@return fun(colour: string, text: string): string
function screen.painter(descriptor)
  local no, term = os.getenv("NO_COLOR"), os.getenv("TERM")
  local has_colour = (no == nil or no == "") and term ~= nil and term ~= "dumb"
    and screen.is_terminal(descriptor)
  return function(colour, text)
    if not has_colour or text == "" then return text end
    return ("\27[%dm%s\27[0m"):format(CODES[colour], text)
  end
end

return screen
