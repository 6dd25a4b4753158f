---`:checkhealth parrotlet`: is the server installed, attached, and its model ready?
local M = {}

local health = vim.health

---One line on the engine, from the server's `parrotlet.status`.
---@param status table<string, any>
---@return string
function M.describe(status)
  local parts = {}
  for _, key in ipairs({ 'state', 'model', 'device', 'pid', 'message' }) do
    local value = status[key]
    if value ~= nil and value ~= vim.NIL and value ~= '' then
      table.insert(parts, ('%s %s'):format(key, value))
    end
  end
  if type(status.hit_rate) == 'number' then
    table.insert(parts, ('%.0f %% of prompts read before'):format(100 * status.hit_rate))
  end
  return table.concat(parts, ', ')
end

local function check_editor()
  local version = tostring(vim.version())
  if vim.fn.has('nvim-0.11') == 0 then
    health.error('Neovim ' .. version .. ' is too old: 0.11 or newer is needed')
  elseif not vim.lsp.inline_completion then
    health.ok('Neovim ' .. version .. ': suggestions in the completion menu; ghost text needs 0.12')
  else
    health.ok('Neovim ' .. version .. ': ghost text')
  end
end

local function check_executable()
  local cmd = (vim.lsp.config.parrotlet or {}).cmd
  local executable = type(cmd) == 'table' and cmd[1] or 'parrotlet'
  if vim.fn.executable(executable) == 0 then
    health.error(("'%s' is not executable"):format(executable), {
      'Install it with `pipx install parrotlet` or `uv tool install parrotlet`,',
      "or name it: require('parrotlet').setup({ cmd = { '/path/to/parrotlet', 'serve' } })",
    })
    return
  end
  local result = vim.system({ executable, '--version' }, { text = true, timeout = 10000 }):wait()
  if result.code == 0 then
    health.ok(('%s: %s'):format(vim.fn.exepath(executable), vim.trim(result.stdout)))
  else
    health.error(("'%s --version' failed: %s"):format(executable, vim.trim(result.stderr)))
  end
end

---@param client vim.lsp.Client
local function check_engine(client)
  local answer, err = client:request_sync('workspace/executeCommand', { command = 'parrotlet.status' }, 5000)
  if not answer or answer.err then
    health.error('the engine gave no status: ' .. (err or answer.err.message), { ':Parrotlet log' })
  elseif answer.result.state == 'failed' then
    health.error(M.describe(answer.result), { ':Parrotlet log' })
  else
    health.ok('engine: ' .. M.describe(answer.result))
  end
end

local function check_clients()
  local clients = vim.lsp.get_clients({ name = 'parrotlet' })
  if #clients == 0 then
    local enabled = vim.lsp.is_enabled and vim.lsp.is_enabled('parrotlet')
    health.warn('no buffer has the server attached', {
      enabled and 'Open a file of one of its filetypes.' or "Add vim.lsp.enable('parrotlet') to your configuration.",
    })
  end
  for _, client in ipairs(clients) do
    health.ok(
      ('server %d: root %s, %d buffer(s)'):format(
        client.id,
        client.root_dir or 'none',
        vim.tbl_count(client.attached_buffers)
      )
    )
    check_engine(client)
  end
end

function M.check()
  health.start('parrotlet')
  check_editor()
  check_executable()
  check_clients()
end

return M
