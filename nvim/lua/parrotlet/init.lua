---The public face of the plugin: its options, and what happens when the server attaches to a buffer.
local M = {}

---@class parrotlet.Keys A key in insert mode for each action; false leaves the key alone.
---@field accept? string|false
---@field accept_word? string|false
---@field accept_line? string|false
---@field next? string|false
---@field previous? string|false
---@field dismiss? string|false

---@class parrotlet.Options
---@field cmd? string[] How the server is started.
---@field filetypes? string[]
---@field settings? table<string, any> The server's settings, as in |parrotlet-settings|.
---@field keys? parrotlet.Keys
---@field ghost_text? boolean False: suggestions appear in the completion menu instead.

---@type parrotlet.Options
local defaults = {
  settings = {},
  ghost_text = true,
  keys = {
    accept = '<Tab>',
    accept_word = '<M-Right>',
    accept_line = '<M-C-Right>',
    next = '<M-n>',
    previous = '<M-p>',
    dismiss = '<C-]>',
  },
}

---@type parrotlet.Options
M.options = vim.deepcopy(defaults)

---Configures and enables the server. Without options, `vim.lsp.enable('parrotlet')` does the same.
---@param options? parrotlet.Options
function M.setup(options)
  options = options or {}
  vim.validate('cmd', options.cmd, 'table', true)
  vim.validate('filetypes', options.filetypes, 'table', true)
  vim.validate('settings', options.settings, 'table', true)
  vim.validate('keys', options.keys, 'table', true)
  vim.validate('ghost_text', options.ghost_text, 'boolean', true)
  M.options = vim.tbl_deep_extend('force', defaults, options)
  local settings = M.options.settings
  if not M.options.ghost_text then
    settings = vim.tbl_extend('keep', settings, { completionMenu = 'on' })
  end
  vim.lsp.config('parrotlet', {
    cmd = options.cmd,
    filetypes = options.filetypes,
    settings = { parrotlet = settings },
  })
  vim.lsp.enable('parrotlet')
end

---@param client vim.lsp.Client
---@return boolean
local function shows_ghost_text(client)
  local can = M.options.ghost_text and vim.lsp.inline_completion -- absent in 0.11
  return can and client:supports_method('textDocument/inlineCompletion') or false
end

---Shows the server's suggestions in a buffer: as ghost text where Neovim can (0.12), else in the completion menu.
---@param client vim.lsp.Client
---@param bufnr integer
function M.attach(client, bufnr)
  require('parrotlet.cursor').attach(client, bufnr)
  if shows_ghost_text(client) then
    require('parrotlet.ghost').attach(client, bufnr)
    require('parrotlet.keys').map(bufnr, M.options.keys)
  elseif client:supports_method('textDocument/completion') then
    vim.lsp.completion.enable(true, client.id, bufnr, { autotrigger = true })
  end
end

---A word for the status line: empty where the server is not attached.
---@return string
function M.statusline()
  local client = vim.lsp.get_clients({ bufnr = 0, name = 'parrotlet' })[1]
  if not client then
    return ''
  end
  return vim.tbl_get(client.settings, 'parrotlet', 'enabled') == false and 'parrotlet off' or 'parrotlet'
end

return M
