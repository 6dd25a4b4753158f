---The subcommands of `:Parrotlet`.
local M = {}

---@param message string
---@param level? integer
local function say(message, level)
  vim.notify('parrotlet: ' .. message, level or vim.log.levels.INFO)
end

---@return vim.lsp.Client[]
local function clients()
  local here = vim.lsp.get_clients({ bufnr = 0, name = 'parrotlet' })
  return #here > 0 and here or vim.lsp.get_clients({ name = 'parrotlet' })
end

local commands = {}

---Says what the resident model is and does.
function commands.status()
  local client = clients()[1]
  if not client then
    return say('no server is running; :checkhealth parrotlet says why', vim.log.levels.WARN)
  end
  client:request('workspace/executeCommand', { command = 'parrotlet.status' }, function(err, status)
    if err then
      return say(err.message, vim.log.levels.ERROR)
    end
    say(require('parrotlet.health').describe(status))
  end)
end

---Stops the server of this buffer (else all of them) and starts it again where it was.
function commands.restart()
  for _, client in ipairs(clients()) do
    local buffers = vim.tbl_keys(client.attached_buffers)
    local config = client.config
    client:stop()
    vim.wait(3000, function()
      return vim.lsp.get_client_by_id(client.id) == nil
    end, 20)
    for _, bufnr in ipairs(buffers) do
      vim.lsp.start(config, { bufnr = bufnr })
    end
  end
  say('server restarted')
end

---Turns suggestions off, or on again, in every buffer.
function commands.toggle()
  local enabled
  for _, client in ipairs(vim.lsp.get_clients({ name = 'parrotlet' })) do
    local settings = vim.tbl_get(client.settings, 'parrotlet') or {}
    if enabled == nil then
      enabled = settings.enabled == false
    end
    client.settings.parrotlet = vim.tbl_extend('force', settings, { enabled = enabled })
    client:notify('workspace/didChangeConfiguration', { settings = client.settings })
  end
  if enabled == nil then
    return say('no server is running', vim.log.levels.WARN)
  end
  require('parrotlet.ghost').dismiss()
  say(enabled and 'suggestions on' or 'suggestions off')
end

---Opens Neovim's log of language servers, where the server's own messages go.
function commands.log()
  vim.cmd.tabedit(vim.fn.fnameescape(vim.lsp.log.get_filename()))
  vim.cmd.normal({ 'G', bang = true })
end

---@param typed string
---@return string[]
function M.names(typed)
  local names = vim.tbl_filter(function(name)
    return vim.startswith(name, typed)
  end, vim.tbl_keys(commands))
  table.sort(names)
  return names
end

---@param arguments string[]
function M.run(arguments)
  local name = arguments[1] or 'status'
  local command = commands[name]
  if not command or #arguments > 1 then
    return say(
      ("'%s' is not a command: choose one of %s"):format(table.concat(arguments, ' '), table.concat(M.names(''), ', ')),
      vim.log.levels.ERROR
    )
  end
  command()
end

return M
