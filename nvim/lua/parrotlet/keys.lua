---Keys for the actions on ghost text. A key that has nothing to act on does what it did before.
local M = {}

---@type table<string, string>
local descriptions = {
  accept = 'Accept the suggestion',
  accept_word = 'Accept a word of the suggestion',
  accept_line = 'Accept a line of the suggestion',
  next = 'Show the next suggestion',
  previous = 'Show the previous suggestion',
  dismiss = 'Dismiss the suggestion',
}

---@param key string
local function raw(key)
  return vim.api.nvim_replace_termcodes(key, true, true, true)
end

---@param key string
---@param mappings vim.api.keyset.get_keymap[]
---@return vim.api.keyset.get_keymap?
local function find(key, mappings)
  for _, mapping in ipairs(mappings) do
    if mapping.lhsraw == raw(key) then
      return mapping
    end
  end
end

---Does what the key did before: what `mapping` does, else what Neovim does.
---@param key string
---@param mapping? vim.api.keyset.get_keymap
---@param action string
local function fall_back(key, mapping, action)
  if not mapping then
    return vim.api.nvim_feedkeys(raw(key), 'in', false)
  end
  -- The same mapping under another name, with all that belongs to it (expr, remap, its script).
  local name = ('<Plug>(parrotlet-not-%s)'):format(action)
  local copy = vim.tbl_extend('force', mapping, { lhs = name, lhsraw = raw(name) })
  copy.lhsrawalt = nil
  vim.fn.mapset('i', false, copy)
  vim.api.nvim_feedkeys(raw(name), 'im', false)
end

---@param bufnr integer
---@param key string
---@param action string
local function map(bufnr, key, action)
  local description = 'Parrotlet: ' .. descriptions[action]
  local own = find(key, vim.api.nvim_buf_get_keymap(bufnr, 'i'))
  if own and own.desc == description then
    return -- the server has been here before
  end
  -- No `expr` mapping: Neovim may evaluate one before it has inserted the key that was typed before.
  vim.keymap.set('i', key, function()
    if not require('parrotlet.ghost')[action]() then
      -- A global mapping is looked up each time: many plugins set theirs when insert mode is first entered.
      fall_back(key, own or find(key, vim.api.nvim_get_keymap('i')), action)
    end
  end, { buffer = bufnr, desc = description })
end

---Sets the keys of a buffer.
---@param bufnr integer
---@param keys parrotlet.Keys
function M.map(bufnr, keys)
  for action in pairs(descriptions) do
    if keys[action] then
      map(bufnr, keys[action], action)
    end
  end
end

return M
