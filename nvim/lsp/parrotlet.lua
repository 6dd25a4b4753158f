---@brief Parrotlet's language server: started by `vim.lsp.enable('parrotlet')`, refined by `vim.lsp.config('parrotlet', {...})`.

---@type vim.lsp.Config
return {
  cmd = { 'parrotlet', 'serve' },
  -- The embedded model has read Python only. A model of your own may know more: set `filetypes` then.
  filetypes = { 'python' },
  root_markers = { 'pyproject.toml', 'setup.py', '.git' },
  -- The server reads the same settings at its start and whenever they change.
  before_init = function(params, config)
    local settings = vim.tbl_get(config, 'settings', 'parrotlet') or {}
    params.initializationOptions = next(settings) and settings or vim.empty_dict()
  end,
}
