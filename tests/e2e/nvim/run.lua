---Runs the scenarios: FOLDER=... PATTERN=... nvim --headless --clean -S run.lua. Exit status 1 when one fails.
local here = vim.fs.dirname(vim.fs.abspath(debug.getinfo(1, 'S').source:sub(2)))
package.path = here .. '/?.lua;' .. package.path
local Workspace = require('workspace')

local folder, pattern = vim.env.FOLDER, vim.env.PATTERN or ''
vim.o.columns, vim.o.lines = 240, 40 -- the terminal's size: no suggestion is wrapped
assert(vim.fn.has('nvim-0.12') == 1, 'Neovim 0.12 or newer is needed, this is ' .. tostring(vim.version()))

---@param workspace table
---@param name string
---@param scenario fun(workspace: table)
local function run(workspace, name, scenario)
  local started = vim.uv.hrtime()
  local ok, problem = xpcall(scenario, debug.traceback, workspace)
  workspace:close(ok)
  local seconds = (vim.uv.hrtime() - started) / 1e9
  io.stdout:write(('%s %s (%.1f s)\n'):format(ok and 'ok  ' or 'FAIL', name, seconds))
  if not ok then
    io.stdout:write(problem, '\n')
  end
  return ok
end

local failures, count = 0, 0
local workspace = Workspace.new(folder .. '/project')
for _, entry in ipairs(require('scenarios')) do
  if entry[1]:find(pattern, 1, true) then
    count = count + 1
    failures = failures + (run(workspace, unpack(entry)) and 0 or 1)
  end
end
workspace:stop()
io.stdout:write(('%d scenarios, %d failed\n'):format(count, failures))
vim.cmd(failures == 0 and count > 0 and 'qall!' or 'cquit')
