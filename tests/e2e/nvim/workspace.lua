---A folder of its own for one scenario: the file that is edited, the user's configuration, and what the model would say.
local Editor = require('editor')

local Workspace = {}
Workspace.__index = Workspace

local repository = vim.fs.root(debug.getinfo(1, 'S').source:sub(2), 'pyproject.toml')
local parrotlet = vim.env.PARROTLET_BIN or repository .. '/.venv/bin/parrotlet'
---An optional bundle in place of the embedded model.
local model = vim.env.PARROTLET_MODEL and { '--model', vim.env.PARROTLET_MODEL } or {}

---@param ... string
local function command(...)
  return vim.list_extend({ parrotlet, ... }, model)
end

---What every user writes into their configuration; `extra` is added by a scenario.
---@param extra string
local function configuration(extra)
  return ([[
    vim.opt.runtimepath:prepend(%q)
    vim.opt.shortmess:append('I')
    vim.lsp.config('parrotlet', {
      cmd = vim.json.decode(%q),
      -- A busy machine must not cut a suggestion short, and the command line shows whatever the model says.
      settings = { parrotlet = { deadlineMs = 60000, confidence = 'all' } },
    })
    %s
    vim.lsp.enable('parrotlet')
  ]]):format(repository .. '/nvim', vim.json.encode(command('serve')), extra)
end

---@param text string
local function split(text)
  return vim.split(text, '\n', { plain = true })
end

---@param text string
---@return integer line 1-based
---@return integer column 1-based, in characters
local function position(text)
  local lines = split(text)
  return #lines, vim.fn.strchars(lines[#lines]) + 1
end

---@param folder string
function Workspace.new(folder)
  vim.fn.mkdir(folder, 'p')
  return setmetatable({ folder = folder, file = folder .. '/shapes.py', init = folder .. '/init.lua' }, Workspace)
end

---@param text string
function Workspace:write(text)
  vim.fn.writefile(split(text), self.file)
end

---@type table<string, string>
local answers = {}

---The model's greedy suggestion at the end of a text, from the command line.
---@param text string
---@return string
function Workspace:expected(text)
  if answers[text] then
    return answers[text]
  end
  self:write(text)
  local line, column = position(text)
  local place = ('%s:%d:%d'):format(self.file, line, column)
  local result =
    vim.system(command('complete', place, '--greedy', '--json'), { text = true, cwd = self.folder }):wait(60000)
  assert(result.code == 0, result.stderr)
  local suggestion = vim.json.decode(result.stdout).suggestions[1]
  answers[text] = suggestion and suggestion.text or ''
  return answers[text]
end

---@param extra string Lua for the user's configuration
---@return table editor
function Workspace:start(extra)
  vim.fn.writefile(split(configuration(extra)), self.init)
  local editor = Editor.start({ file = self.file, init = self.init, folder = self.folder })
  self.editor = editor
  editor:wait('the server is attached', function()
    return editor:lua([[
      local client = vim.lsp.get_clients({ bufnr = 0, name = 'parrotlet' })[1]
      return client ~= nil and client.initialized == true]])
  end)
  editor:wait('the model is loaded', function()
    local engine = self:engine()
    return engine.state == 'ready' and engine.window_is_ready
  end)
  return editor
end

---Opens a text in insert mode, with the cursor at its end and the server attached.
---@param text string
---@param extra? string Lua for the user's configuration; a Neovim is started for this scenario alone then
function Workspace:edit(text, extra)
  self:write(text)
  if not self.usual and not extra then
    self.usual = self:start('')
  end
  local editor = extra and self:start(extra) or self.usual
  self.editor = editor
  editor:lua([[
    vim.cmd('stopinsert | edit!')
    vim.cmd('messages clear')
    vim.api.nvim_win_set_cursor(0, { vim.fn.line('$'), 0 })]])
  editor:type('A')
  -- The screen lags behind: what an earlier scenario left on it must not be taken for an answer.
  editor:wait('insert mode in the fresh text', function()
    return editor:lua('return vim.fn.mode()') == 'i' and editor:shows(vim.list_extend(split(text), { '~' }))
  end)
  return editor
end

---The resident engine, as the attached server sees it.
---@return table<string, any>
function Workspace:engine()
  local status, problem = unpack(self.editor:lua([[
    local client = vim.lsp.get_clients({ name = 'parrotlet' })[1]
    local answer, err = client:request_sync('workspace/executeCommand', { command = 'parrotlet.status' }, 20000)
    return { answer and answer.result or false, err or answer.err and answer.err.message or '' }]]))
  assert(status, problem)
  return status
end

---Ends a scenario. The usual Neovim goes on to the next one, unless something went wrong in it.
---@param ok boolean
function Workspace:close(ok)
  if self.editor and (not ok or self.editor ~= self.usual) then
    self.editor:stop()
    self.usual = self.editor ~= self.usual and self.usual or nil
  elseif self.editor then
    self.editor:type('<Esc>')
  end
  self.editor = nil
end

function Workspace:stop()
  if self.usual then
    self.usual:stop()
  end
end

return Workspace
