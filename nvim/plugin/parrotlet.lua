if vim.g.loaded_parrotlet then
  return
end
vim.g.loaded_parrotlet = true

if vim.fn.has('nvim-0.11') == 0 then
  vim.notify_once('parrotlet: Neovim 0.11 or newer is needed', vim.log.levels.WARN)
  return
end

vim.api.nvim_create_autocmd('LspAttach', {
  group = vim.api.nvim_create_augroup('parrotlet', {}),
  desc = 'Show suggestions of the Parrotlet server',
  callback = function(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    if client and client.name == 'parrotlet' then
      require('parrotlet').attach(client, event.buf)
    end
  end,
})

vim.api.nvim_create_user_command('Parrotlet', function(command)
  require('parrotlet.commands').run(command.fargs)
end, {
  nargs = '*',
  desc = 'Ask or steer the Parrotlet server',
  complete = function(typed)
    return require('parrotlet.commands').names(typed)
  end,
})

vim.api.nvim_create_user_command('ParrotletTrain', function(command)
  local training = require('parrotlet.training')
  if command.bang then
    return training.stop()
  end
  training.train(command.fargs, command.count > 0 and command.count or nil)
end, {
  nargs = '*',
  bang = true,
  count = 0,
  complete = 'dir',
  desc = 'Train a model on these folders, or on the working folder',
})
