---Tells the server where insert mode begins: it reads the prompt there before the first key is typed.
local M = {}

---@param client vim.lsp.Client
---@param bufnr integer
local function tell(client, bufnr)
  local is_here = vim.api.nvim_get_current_buf() == bufnr and vim.startswith(vim.api.nvim_get_mode().mode, 'i')
  if is_here and not client:is_stopped() then
    -- A request though nothing is answered: unlike a notification it brings the buffer's pending changes along.
    client:request('parrotlet/cursor', vim.lsp.util.make_position_params(0, client.offset_encoding), function() end, bufnr)
  end
end

---@param client vim.lsp.Client
---@param bufnr integer
function M.attach(client, bufnr)
  vim.api.nvim_create_autocmd('InsertEnter', {
    group = vim.api.nvim_create_augroup('parrotlet.cursor:' .. bufnr, {}),
    buffer = bufnr,
    desc = 'Tell the Parrotlet server where the cursor is',
    callback = vim.schedule_wrap(function()
      tell(client, bufnr)
    end),
  })
end

return M
