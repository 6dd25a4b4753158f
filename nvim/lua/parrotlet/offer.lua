---What the server last offered for each buffer, and the text it was offered for.
---
---Neovim keeps showing, and accepts, an old suggestion until the next answer is there: more than 200 ms after a key.
---An offer knows whether it still fits the text, and how much of it the user has typed since.
local M = {}

local METHOD = 'textDocument/inlineCompletion'

---@class parrotlet.Offer
---@field row integer 0-based, of the cursor when the server was asked.
---@field before string The cursor's line, left of the cursor.
---@field after string The cursor's line, right of the cursor.
---@field num_lines integer Of the buffer.
---@field client_id integer
---@field items lsp.InlineCompletionItem[] The candidates, at least one.
---@field index integer The candidate that is shown.

---@type table<integer, parrotlet.Offer?>
local offers = {}

---@type table<integer, fun(offer: parrotlet.Offer)?> What to do with the answer to the next request, which asks for all candidates.
local explicit = {}

---@type table<integer, integer?> How often a buffer has lost its server: an answer from before is for nobody.
local num_detached = {}

---@param bufnr integer
---@return integer? row 0-based; nil where the cursor is in another buffer
---@return string before
---@return string after
local function cursor_line(bufnr)
  if vim.api.nvim_get_current_buf() ~= bufnr then
    return nil, '', ''
  end
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  local line = vim.api.nvim_get_current_line()
  return row - 1, line:sub(1, column), line:sub(column + 1)
end

---@param bufnr integer
---@return parrotlet.Offer?
function M.get(bufnr)
  return offers[bufnr]
end

---@param bufnr integer
function M.forget(bufnr)
  offers[bufnr] = nil
end

---The part of the shown candidate that is still to be typed; nil when there is none, or the text has changed otherwise.
---@param bufnr integer
---@return string?
function M.rest(bufnr)
  local offer = offers[bufnr]
  local row, before, after = cursor_line(bufnr)
  if not offer or row ~= offer.row or after ~= offer.after then
    return nil
  end
  local full = offer.before .. offer.items[offer.index].insertText
  local fits = #before >= #offer.before
    and vim.startswith(full, before)
    and vim.api.nvim_buf_line_count(bufnr) == offer.num_lines
  return fits and #full > #before and full:sub(#before + 1) or nil
end

---Makes the next request ask for all candidates, as an explicit request does.
---@param bufnr integer
---@param on_answer fun(offer: parrotlet.Offer)
function M.ask_for_all(bufnr, on_answer)
  explicit[bufnr] = on_answer
end

---The offer that an answer will make, but for its items.
---@param client vim.lsp.Client
---@param bufnr integer
---@return parrotlet.Offer?
local function asked(client, bufnr)
  local row, before, after = cursor_line(bufnr)
  local num_lines = vim.api.nvim_buf_line_count(bufnr)
  return row
    and {
      client_id = client.id,
      row = row,
      before = before,
      after = after,
      num_lines = num_lines,
      items = {},
      index = 1,
    }
end

---Listens to a client's requests for inline completion; `on_shown` runs after Neovim has shown an answer.
---@param client vim.lsp.Client
---@param on_shown fun(bufnr: integer)
function M.watch(client, on_shown)
  vim.api.nvim_create_autocmd('LspDetach', {
    group = vim.api.nvim_create_augroup('parrotlet.offer', {}),
    callback = function(event)
      num_detached[event.buf] = (num_detached[event.buf] or 0) + 1
    end,
  })
  local request = client.request
  ---@diagnostic disable-next-line: duplicate-set-field
  client.request = function(self, method, params, handler, bufnr)
    if method ~= METHOD or not handler then
      return request(self, method, params, handler, bufnr)
    end
    bufnr = vim._resolve_bufnr(bufnr)
    local offer, known = asked(client, bufnr), num_detached[bufnr]
    local on_answer = explicit[bufnr]
    explicit[bufnr] = nil
    if not on_answer and vim.snippet and vim.snippet.active({ direction = 1 }) then
      return false -- who fills a snippet goes from field to field: ghost text would stand in the way, and take the Tab key
    end
    if on_answer then
      params.context.triggerKind = vim.lsp.protocol.InlineCompletionTriggerKind.Invoked
    end
    return request(self, method, params, function(err, result, context)
      if num_detached[bufnr] ~= known then
        return -- the buffer was closed or read again meanwhile, which Neovim's handler does not expect
      end
      handler(err, result, context)
      if err or not offer or not vim.startswith(vim.api.nvim_get_mode().mode, 'i') then
        return -- Neovim keeps what it had
      end
      offer.items = result and (result.items or result) or {}
      offers[bufnr] = #offer.items > 0 and offer or nil
      if on_answer and offers[bufnr] then
        on_answer(offer)
      end
      on_shown(bufnr)
    end, bufnr)
  end
end

return M
