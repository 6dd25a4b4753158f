---A model of one's own, trained by `parrotlet-train` beside the editor: starts it, tells how it goes. Trains nothing itself.
local M = {}

---@type vim.SystemObj?
local running

---@param message string
---@param level? integer
local function say(message, level)
  vim.notify('parrotlet: ' .. message, level or vim.log.levels.INFO)
end

---The trainer stands beside the server's program.
---@return string
local function program()
  local config = vim.lsp.config.parrotlet or {}
  local server = type(config.cmd) == 'table' and vim.fn.exepath(config.cmd[1]) or ''
  local beside = server ~= '' and vim.fs.joinpath(vim.fs.dirname(vim.uv.fs_realpath(server) or server), 'parrotlet-train')
  return beside and vim.fn.executable(beside) == 1 and beside or 'parrotlet-train'
end

---@param line string
---@param told { stage: string }
local function tell(line, told)
  local decoded, event = pcall(vim.json.decode, line)
  if not decoded or type(event) ~= 'table' then
    return
  end
  if event.stage == 'end' then
    say(('%s\nreport: %s'):format(event.message, event.report))
  elseif event.stage ~= told.stage then
    told.stage = event.stage
    say(('%s (%.0f %%): %s'):format(event.stage, 100 * event.done, event.message))
  end
end

---@param told { stage: string }
---@return fun(err?: string, data?: string)
local function lines_to(told)
  local rest = ''
  return function(_, data)
    rest = rest .. (data or '')
    local whole, after = rest:match('^(.*\n)(.-)$')
    if whole then
      rest = after
      vim.schedule(function()
        for line in whole:gmatch('[^\n]+') do
          tell(line, told)
        end
      end)
    end
  end
end

---Trains on folders, or on the working folder; a second call while one runs is refused.
---@param folders string[]
---@param minutes? integer
function M.train(folders, minutes)
  if running then
    return say('a training is under way; :ParrotletTrain! ends it', vim.log.levels.WARN)
  end
  local command = { program(), 'personal', '--progress', 'json', '--minutes', tostring(minutes or 10) }
  vim.list_extend(command, vim.tbl_map(vim.fs.normalize, #folders > 0 and folders or { vim.fn.getcwd() }))
  local started, process = pcall(vim.system, command, { text = true, stdout = lines_to({ stage = '' }) }, function(done)
    running = nil
    if done.code ~= 0 then
      local reason = vim.trim(done.stderr or ''):match('[^\n]*$')
      vim.schedule(function()
        say(done.signal ~= 0 and 'the training was ended' or reason, vim.log.levels.ERROR)
      end)
    end
  end)
  if not started then
    return say(command[1] .. " is not there: pip install 'parrotlet[train]'", vim.log.levels.ERROR)
  end
  running = process
end

---Ends the training that is under way; the same command goes on with it.
function M.stop()
  if not running then
    return say('no training is under way')
  end
  running:kill('sigint')
end

return M
