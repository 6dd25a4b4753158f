---What a user sees and does. Every expected text is what the model says through another door: `parrotlet complete`.
local EXISTS = 'def load(path):\n    with open(path) as file:\n        return file.read()\n\n\ndef exists(path):\n    '
---Texts after which a model is likely to go on for more than a line; which one depends on the model.
local BLOCKS = {
  { 'class Circle:\n    ', 'def __init__(self, x, y, radius):' },
  { 'import json\n\n\n', 'def read_settings(path):' },
  { 'import argparse\n\n\n', 'def main():' },
  { 'import os\n\n\n', 'class Account:' },
  { 'def fibonacci(n):\n    ', 'if n < 2:' },
}

---Texts with a word that a model may go on with.
local WORDS = { { EXISTS, 'ret' }, { EXISTS, 'return' }, { EXISTS, 'return os' }, { EXISTS, 'return ' } }

---@param text string
local function split(text)
  return vim.split(text, '\n', { plain = true })
end

---Types until ghost text should be there, and waits for it.
---@return string expected
local function ghost(workspace, before, typed)
  local expected = workspace:expected(before .. typed)
  assert(expected ~= '', 'the model suggests nothing here: choose another text')
  local editor = workspace.editor or workspace:edit(before)
  editor:type(typed)
  local shown = split(split(before .. typed)[#split(before)] .. expected)
  editor:wait('ghost text ' .. vim.inspect(shown), function()
    return editor:shows(shown)
  end)
  return expected
end

---@param texts { [1]: string, [2]: string }[]
---@param pattern string
---@return string before
---@return string typed
local function first_with(workspace, texts, pattern)
  for _, text in ipairs(texts) do
    if workspace:expected(text[1] .. text[2]):find(pattern) then
      return unpack(text)
    end
  end
  error(('the model suggests nothing like %s: choose other texts'):format(pattern))
end

local function block(workspace)
  return first_with(workspace, BLOCKS, '[^\n]\n')
end

---@param editor table
---@param text string The whole buffer.
local function wait_text(editor, text)
  editor:wait('the text is ' .. vim.inspect(text), function()
    return table.concat(editor:lines(), '\n') == text
  end)
end

---Opens the completion menu and takes its first entry.
---@param extra string Lua for the user's configuration
local function choose_from_menu(workspace, extra)
  local before, typed = first_with(workspace, WORDS, '.')
  local expected = workspace:expected(before .. typed)
  local editor = workspace:edit(before, "vim.o.completeopt = 'menuone,noselect'\n" .. extra)
  editor:type(typed .. '<C-x><C-o>')
  editor:wait('a menu', function()
    return editor:lua('return vim.fn.pumvisible()') == 1
  end)
  editor:type('<C-n><C-y>')
  wait_text(editor, before .. typed .. expected)
end

---@type { [1]: string, [2]: fun(workspace: table) }[]
return {
  {
    'ghost text appears while typing and Tab inserts it',
    function(workspace)
      local expected = ghost(workspace, EXISTS, 'return ')
      local editor = workspace.editor
      assert(editor:line() == '    return ', 'ghost text is not in the buffer')
      editor:type('<Tab>')
      wait_text(editor, EXISTS .. 'return ' .. expected)
      editor:type('!') -- the cursor is behind the insertion
      wait_text(editor, EXISTS .. 'return ' .. expected .. '!')
    end,
  },
  {
    'a block of several lines is shown and inserted whole',
    function(workspace)
      local before, typed = block(workspace)
      local expected = ghost(workspace, before, typed)
      workspace.editor:type('<Tab>')
      wait_text(workspace.editor, before .. typed .. expected)
    end,
  },
  {
    'undo after Tab gives back what was typed',
    function(workspace)
      ghost(workspace, EXISTS, 'return ')
      workspace.editor:type('<Tab>')
      workspace.editor:wait('accepted', function()
        return workspace.editor:line() ~= '    return '
      end)
      workspace.editor:type('<Esc>u')
      wait_text(workspace.editor, EXISTS .. 'return ')
    end,
  },
  {
    'a key that does not fit takes the ghost text off the screen without waiting for an answer',
    function(workspace)
      local expected = ghost(workspace, EXISTS, 'return ')
      -- Runs behind the plugin at the same event, so before any answer to the new text.
      workspace.editor:lua([[
        vim.g.ghosts = -1
        local namespace = vim.api.nvim_create_namespace('nvim.lsp.inline_completion')
        vim.api.nvim_create_autocmd('CursorMovedI', { once = true, callback = function()
          vim.g.ghosts = #vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, {})
        end })]])
      workspace.editor:type(vim.startswith(expected, 'x') and 'y' or 'x')
      workspace.editor:wait('the key arrived', function()
        return workspace.editor:lua('return vim.g.ghosts') ~= -1
      end)
      assert(workspace.editor:lua('return vim.g.ghosts') == 0)
    end,
  },
  {
    'Tab right behind a key that does not fit inserts nothing of the ghost text',
    function(workspace)
      local expected = ghost(workspace, EXISTS, 'return ')
      local wrong = vim.startswith(expected, 'x') and 'y' or 'x'
      workspace.editor:type(wrong .. '<Tab>#') -- one burst: no new answer can be there
      wait_text(workspace.editor, EXISTS .. 'return ' .. wrong .. '    #')
    end,
  },
  {
    'typing along the ghost text keeps it, and Tab at once inserts the rest',
    function(workspace)
      local expected = ghost(workspace, EXISTS, 'return ')
      workspace.editor:type(expected:sub(1, 1) .. '<Tab>')
      wait_text(workspace.editor, EXISTS .. 'return ' .. expected)
    end,
  },
  {
    'the server is told where insert mode begins',
    function(workspace)
      local editor = workspace:edit('é = 1\nvalue = 2')
      editor:lua([[
        vim.g.told = {}
        vim.api.nvim_create_autocmd('LspRequest', { callback = function(event)
          if event.data.request.method == 'parrotlet/cursor' then
            local told = vim.g.told
            table.insert(told, event.data.request.type)
            vim.g.told = told
          end
        end })]])
      editor:type('<Esc>ggo')
      editor:wait('the request was answered', function()
        return vim.tbl_contains(editor:lua('return vim.g.told'), 'complete')
      end)
    end,
  },
  {
    'Tab without ghost text indents',
    function(workspace)
      local editor = workspace:edit('x = 1  #')
      editor:type('<Esc>o<Tab>y')
      wait_text(editor, 'x = 1  #\n    y')
    end,
  },
  {
    'Tab without ghost text runs the mapping it had',
    function(workspace)
      local editor =
        workspace:edit('', [[vim.keymap.set('i', '<Tab>', function() return '[mapped]' end, { expr = true })]])
      editor:type('<Tab>')
      wait_text(editor, '[mapped]')
    end,
  },
  {
    'Tab without ghost text jumps in a snippet',
    function(workspace)
      local editor = workspace:edit('')
      editor:lua([[vim.snippet.expand('${1:first} ${2:second}')]])
      editor:type('one<Tab>')
      editor:wait('the second field is selected', function()
        return editor:lua('return vim.fn.mode()') == 's' and editor:lua('return vim.fn.col(".")') > 4
      end)
      editor:type('two')
      wait_text(editor, 'one two')
    end,
  },
  {
    'nothing is asked while a snippet is being filled',
    function(workspace)
      local editor = workspace:edit('')
      editor:lua([[
        _G.asked, _G.moved = 0, 0
        vim.api.nvim_create_autocmd('LspRequest', { callback = function(event)
          local request = event.data.request
          if request.method == 'textDocument/inlineCompletion' and request.type == 'pending' then
            _G.asked = _G.asked + 1
          end
        end })
        vim.snippet.expand('def ${1:name}(${2:value}):\n    $0')
      ]])
      editor:type('load')
      editor:wait('the field is filled', function()
        return editor:lines()[1] == 'def load(value):'
      end)
      vim.wait(1000) -- Neovim asks 200 ms behind a key
      assert(editor:lua('return _G.asked') == 0, 'the server was asked within a snippet')
      editor:lua('vim.snippet.stop()')
      editor:type('s')
      editor:wait('a question behind the snippet', function()
        return editor:lua('return _G.asked') > 0
      end)
    end,
  },
  {
    'the suggestion can be taken word by word',
    function(workspace)
      local expected = ghost(workspace, EXISTS, 'return ')
      local word = expected:match('^%s*[%w_]+') or expected:match('^%s*[^%w%s]+')
      workspace.editor:type('<M-Right>')
      wait_text(workspace.editor, EXISTS .. 'return ' .. word)
      workspace.editor:type('<Tab>') -- the rest is still there, and still fits
      wait_text(workspace.editor, EXISTS .. 'return ' .. expected)
    end,
  },
  {
    'the suggestion can be taken line by line',
    function(workspace)
      local before, typed = block(workspace)
      local expected = ghost(workspace, before, typed)
      local first = expected:match('^\n*[^\n]*') -- behind a line that is complete: the line below
      workspace.editor:type('<M-C-Right>')
      wait_text(workspace.editor, before .. typed .. first)
    end,
  },
  {
    'a dismissed suggestion is gone, and Tab is Tab',
    function(workspace)
      ghost(workspace, EXISTS, 'return ')
      workspace.editor:type('<C-]><Tab>#')
      wait_text(workspace.editor, EXISTS .. 'return  #') -- to the next tab stop
    end,
  },
  {
    'the next suggestion is another one, and Tab inserts that',
    function(workspace)
      local first = ghost(workspace, EXISTS, 'return ')
      local editor = workspace.editor
      editor:type('<M-n>')
      local shown = editor:wait('another suggestion', function()
        for _, line in ipairs(editor:screen()) do
          local number = line:match('^    return .+ %((%d)/%d%)$')
          if number and number ~= '1' then
            return line:match('^(.*) %(%d/%d%)$')
          end
        end
      end)
      assert(shown ~= '    return ' .. split(first)[1])
      editor:type('<Tab>')
      editor:wait('accepted', function()
        return editor:line() == shown
      end)
    end,
  },
  {
    ':Parrotlet toggle stops suggestions and starts them again',
    function(workspace)
      ghost(workspace, EXISTS, 'return ')
      local editor = workspace.editor
      editor:type('<Esc>:Parrotlet toggle<CR>')
      editor:wait('the message', function()
        return editor:messages():find('suggestions off', 1, true)
      end)
      assert(editor:lua([[return require('parrotlet').statusline()]]) == 'parrotlet off')
      -- The raw answer, since nothing on a screen says that nothing will come. The server first asks for its settings.
      editor:wait('an answer without suggestions', function()
        return editor:lua([[
          local client = vim.lsp.get_clients({ name = 'parrotlet' })[1]
          local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
          params.context = { triggerKind = 2 }
          local result = client:request_sync('textDocument/inlineCompletion', params, 20000, 0).result
          return result ~= nil and #(result.items or result) == 0]])
      end)
      editor:type(':Parrotlet toggle<CR>')
      editor:type('S')
      ghost(workspace, EXISTS, 'return ')
    end,
  },
  {
    'without ghost text the completion menu offers the suggestion',
    function(workspace)
      choose_from_menu(workspace, [[require('parrotlet').setup({ ghost_text = false })]])
    end,
  },
  {
    'a Neovim without inline completion (0.11) gets the completion menu by itself',
    function(workspace)
      -- Stands in for 0.11, which no package of this suite provides: the API and its announcement are gone.
      choose_from_menu(
        workspace,
        [[vim.lsp.inline_completion = false -- nil would load it again
          local capabilities = vim.lsp.protocol.make_client_capabilities()
          capabilities.textDocument.inlineCompletion = nil
          vim.lsp.protocol.make_client_capabilities = function() return capabilities end]]
      )
      local editor = workspace.editor
      assert(not editor:lua('return vim.lsp.inline_completion'))
      assert(not editor:messages():find('Error', 1, true), editor:messages())
    end,
  },
  {
    'a killed engine is started again, without a word to the user',
    function(workspace)
      local editor = workspace:edit(EXISTS)
      local pid = workspace:engine().pid
      assert(vim.uv.kill(pid, 'sigkill') == 0)
      editor:type('return a') -- asks the dead engine
      editor:wait('a new engine', function()
        local engine = workspace:engine()
        return engine.state == 'ready' and engine.pid ~= pid
      end)
      editor:type('<Esc>S')
      ghost(workspace, EXISTS, 'return ')
      assert(editor:messages() == '', editor:messages())
    end,
  },
  {
    ':Parrotlet restart brings the server back',
    function(workspace)
      ghost(workspace, EXISTS, 'return ')
      local editor = workspace.editor
      local id = editor:lua('return vim.lsp.get_clients()[1].id')
      editor:type('<Esc>:Parrotlet restart<CR>')
      editor:wait('a new server', function()
        return editor:lua(
          [[local client = vim.lsp.get_clients({ bufnr = 0 })[1]
            return client ~= nil and client.initialized == true and client.id ~= ...]],
          id
        )
      end)
      editor:wait('the model in the new server', function()
        return workspace:engine().window_is_ready
      end)
      editor:type('S')
      ghost(workspace, EXISTS, 'return ')
      editor:type('<Tab>')
      editor:wait('accepted', function()
        return editor:line() ~= '    return '
      end)
    end,
  },
  {
    ':ParrotletTrain says what a folder lacks to be trained on',
    function(workspace)
      local editor = workspace:edit('x = 1')
      editor:lua([[
        _G.told, _G.notify = {}, vim.notify -- it is long
        vim.notify = function(message) table.insert(_G.told, message) end]])
      editor:type('<Esc>:ParrotletTrain ' .. workspace.folder .. '<CR>')
      local function has_told(part)
        return table.concat(editor:lua('return _G.told'), '\n'):find(part, 1, true)
      end
      editor:wait('the stage', function()
        return has_told('corpus (0 %)')
      end)
      editor:wait('the refusal with the least number of files', function()
        return has_told('fewer than 20')
      end)
      editor:lua('vim.notify = _G.notify')
    end,
  },
  {
    ':checkhealth and :Parrotlet status describe the server and its engine',
    function(workspace)
      local editor = workspace:edit('x = 1')
      local pid = workspace:engine().pid
      editor:type('<Esc>:Parrotlet status<CR>')
      editor:wait('the status', function()
        return editor:messages():find('pid ' .. pid, 1, true)
      end)
      editor:type(':Parrotlet nonsense<CR>')
      editor:wait('the remedy', function()
        return editor:messages():find('choose one of log, restart, status, toggle', 1, true)
      end)
      editor:type('<CR>:checkhealth parrotlet<CR>')
      local report = editor:wait('the report', function()
        local text = table.concat(editor:lines(), '\n')
        return text:find('engine: state ready', 1, true) and text
      end)
      assert(not report:find('ERROR', 1, true) and not report:find('WARNING', 1, true), report)
    end,
  },
}
