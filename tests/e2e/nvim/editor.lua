---A real Neovim in a real (pseudo) terminal: keys go in as bytes, the screen is what the terminal shows.
---
---A second way in, Neovim's RPC socket, only asks for what a screen cannot show (the exact buffer text).
local Editor = {}
Editor.__index = Editor

local WAIT_MS = tonumber(vim.env.PARROTLET_E2E_WAIT_MS or 60000)

local bytes = { Tab = '\t', Esc = '\27', CR = '\r', Right = '\27[C', ['M-n'] = '\27n', ['M-p'] = '\27p' }
bytes['M-Right'] = '\27[1;3C'
bytes['M-C-Right'] = '\27[1;7C'
for code = 1, 31 do
  local name = 'C-' .. string.char(code + 64):lower()
  bytes[name] = string.char(code)
end

---@param rows string[]
---@return string[]
local function trimmed(rows)
  return vim.tbl_map(function(row)
    return (row:gsub('%s+$', ''))
  end, rows)
end

---@param options { file: string, init: string, folder: string, env: table<string, string> }
function Editor.start(options)
  local self = setmetatable({}, Editor)
  local socket = options.folder .. '/nvim.sock'
  vim.fn.delete(socket)
  self.buffer = vim.api.nvim_create_buf(true, false)
  vim.api.nvim_set_current_buf(self.buffer)
  self.job = vim.fn.jobstart(
    { vim.v.progpath, '--clean', '-n', '-u', options.init, '--listen', socket, options.file },
    { term = true, env = options.env, cwd = vim.fs.dirname(options.file) }
  )
  assert(self.job > 0, 'Neovim did not start')
  local connected = vim.wait(WAIT_MS, function()
    local ok, channel = pcall(vim.fn.sockconnect, 'pipe', socket, { rpc = true })
    self.channel = ok and channel or nil
    return ok
  end, 20)
  assert(connected, 'Neovim does not listen')
  return self
end

---Types keys: text as it is, `<Tab>`, `<Esc>`, `<C-x>` and so on as the terminal sends them. Arrives as one burst.
---@param keys string
function Editor:type(keys)
  local function encode(name)
    return assert(bytes[name], 'no bytes for <' .. name .. '>')
  end
  vim.fn.chansend(self.job, (keys:gsub('<([^<>]+)>', encode)))
end

---@param method string
---@return any
function Editor:request(method, ...)
  -- A Neovim that waits for a key (after an error message, for one) would leave the request unanswered for ever.
  if vim.rpcrequest(self.channel, 'nvim_get_mode').blocking then
    error('Neovim waits for a key:\n' .. table.concat(self:screen(), '\n'), 0)
  end
  return vim.rpcrequest(self.channel, method, ...)
end

---@param code string
---@return any
function Editor:lua(code, ...)
  return self:request('nvim_exec_lua', code, { ... })
end

---@return string[] The buffer's text.
function Editor:lines()
  return self:request('nvim_buf_get_lines', 0, 0, -1, false)
end

---@return string
function Editor:line()
  return self:request('nvim_get_current_line')
end

---@return string[] What the terminal shows.
function Editor:screen()
  return trimmed(vim.api.nvim_buf_get_lines(self.buffer, 0, -1, false))
end

---True when `rows` stand on the screen, one below the other. Blanks at a row's end cannot be seen.
---@param rows string[]
function Editor:shows(rows)
  local screen = self:screen()
  rows = trimmed(rows)
  for first = 1, #screen - #rows + 1 do
    if vim.deep_equal(vim.list_slice(screen, first, first + #rows - 1), rows) then
      return true
    end
  end
  return false
end

---Waits until `condition` holds, and returns what it returned.
---@param what string
---@param condition fun(): any
function Editor:wait(what, condition)
  local last
  local met = vim.wait(WAIT_MS, function()
    last = condition()
    return last and true or false
  end, 20)
  if not met then
    local screen = table.concat(self:screen(), '\n')
    error(('never: %s\n%s\nbuffer: %s'):format(what, screen, vim.inspect(self:lines())), 0)
  end
  return last
end

---@return string
function Editor:messages()
  return self:request('nvim_exec2', 'messages', { output = true }).output
end

function Editor:stop()
  pcall(vim.rpcnotify, self.channel, 'nvim_command', 'qall!')
  if vim.fn.jobwait({ self.job }, 10000)[1] < 0 then
    vim.fn.jobstop(self.job)
    vim.fn.jobwait({ self.job }, 2000)
  end
  vim.api.nvim_buf_delete(self.buffer, { force = true })
end

return Editor
