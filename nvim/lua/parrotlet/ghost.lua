---Ghost text: what Neovim's inline completion (0.12) shows, kept true to the text, and the user's actions on it.
---
---Every action returns true when it had ghost text to act on, and false when its key should do what it always did.
local offer = require('parrotlet.offer')

local M = {}

---@type table<integer, true?> Clients whose requests are listened to.
local watched = {}

---Takes ghost text that no longer fits off the screen. Neovim itself would show it until the next answer.
---@param bufnr integer
local function hide_misfit(bufnr)
  if offer.get(bufnr) and not offer.rest(bufnr) then
    local namespace = vim.api.nvim_create_namespace('nvim.lsp.inline_completion')
    vim.api.nvim_buf_clear_namespace(bufnr, namespace, 0, -1)
  end
end

---Follows what the user types. Set anew with every answer, so that it runs behind Neovim's own drawing at these events.
---@param bufnr integer
local function follow(bufnr)
  local group = vim.api.nvim_create_augroup('parrotlet.ghost:' .. bufnr, {})
  vim.api.nvim_create_autocmd({ 'CursorMovedI', 'TextChangedI', 'TextChangedP' }, {
    group = group,
    buffer = bufnr,
    callback = function()
      hide_misfit(bufnr)
    end,
  })
  vim.api.nvim_create_autocmd({ 'InsertLeave', 'BufUnload' }, {
    group = group,
    buffer = bufnr,
    callback = function()
      offer.forget(bufnr)
    end,
  })
end

---@param client vim.lsp.Client
---@param bufnr integer
function M.attach(client, bufnr)
  if not watched[client.id] then
    watched[client.id] = true
    offer.watch(client, function(answered)
      hide_misfit(answered)
      follow(answered)
    end)
  end
  vim.lsp.inline_completion.enable(true, { bufnr = bufnr })
end

---@param text string
local function insert(text)
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  local lines = vim.split(text, '\n', { plain = true })
  -- An undo step of its own: undo then gives back what the user had typed.
  vim.cmd('let &l:undolevels = &l:undolevels')
  vim.api.nvim_buf_set_text(0, row - 1, column, row - 1, column, lines)
  vim.api.nvim_win_set_cursor(0, { row + #lines - 1, (#lines == 1 and column or 0) + #lines[#lines] })
end

---Makes Neovim ask the server. It has no call for this, but asks whenever the cursor moves.
---@param bufnr integer
local function ask(bufnr)
  if vim.api.nvim_get_current_buf() ~= bufnr or not vim.startswith(vim.api.nvim_get_mode().mode, 'i') then
    return
  end
  vim.api.nvim_exec_autocmds('CursorMovedI', { buffer = bufnr, modeline = false })
end

---Makes Neovim let go of what it shows; `finally` runs behind that.
---@param bufnr integer
---@param finally? fun()
local function drop(bufnr, finally)
  offer.forget(bufnr)
  vim.lsp.inline_completion.get({
    bufnr = bufnr,
    on_accept = function()
      if finally then
        finally()
      end
      return nil -- so that Neovim inserts nothing
    end,
  })
end

---@param bufnr integer
---@param current parrotlet.Offer
local function report_accepted(bufnr, current)
  local client = vim.lsp.get_client_by_id(current.client_id)
  local command = current.items[current.index].command
  if command and client then
    client:exec_cmd(command, { bufnr = bufnr })
  end
end

---Inserts at once, not when Neovim finds time: keys that are already waiting come behind the insertion.
---@param cut fun(rest: string): string The part of the ghost text to insert.
---@return boolean
local function accept(cut)
  local bufnr = vim.api.nvim_get_current_buf()
  local rest = offer.rest(bufnr)
  if not rest then
    return false
  end
  local current = assert(offer.get(bufnr))
  local part = cut(rest)
  insert(part)
  if part == rest then
    report_accepted(bufnr, current)
  end
  if not offer.rest(bufnr) then
    drop(bufnr, function()
      ask(bufnr)
    end)
  end -- else Neovim goes on showing what is left
  return true
end

function M.accept()
  return accept(function(rest)
    return rest
  end)
end

function M.accept_word()
  return accept(function(rest)
    return rest:match('^%s*[%w_\128-\255]+') or rest:match('^%s*[^%w%s]+') or rest
  end)
end

function M.accept_line()
  return accept(function(rest)
    return rest:match('^\n*[^\n]*')
  end)
end

function M.dismiss()
  local bufnr = vim.api.nvim_get_current_buf()
  local fits = offer.rest(bufnr) ~= nil
  drop(bufnr)
  return fits
end

---@param bufnr integer
---@param count integer
local function select(bufnr, count)
  local current = assert(offer.get(bufnr))
  current.index = (current.index + count - 1) % #current.items + 1
  vim.lsp.inline_completion.select({ bufnr = bufnr, count = count })
end

---Asks the server for all its candidates, and shows another than the one already seen.
---@param bufnr integer
---@param count integer
local function ask_for_more(bufnr, count)
  local seen = offer.rest(bufnr)
  offer.ask_for_all(bufnr, function(answer)
    if answer.items[1].insertText == seen and #answer.items > 1 then
      select(bufnr, count)
    end
  end)
  ask(bufnr)
end

---@param count integer
---@return boolean
local function step(count)
  local bufnr = vim.api.nvim_get_current_buf()
  if not offer.rest(bufnr) then
    return false
  end
  if #offer.get(bufnr).items > 1 then
    select(bufnr, count)
  else
    ask_for_more(bufnr, count)
  end
  return true
end

function M.next()
  return step(1)
end

function M.previous()
  return step(-1)
end

return M
