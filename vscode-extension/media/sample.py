"""Grey text is a suggestion: Tab takes it, Ctrl+Right (Cmd+Right) a word of it, Escape none.

Alt+] and Alt+[ show others, Alt+\\ asks for them. Go on typing to see the next one.
"""


class Account:
    def __init__(self, owner, balance):
        self.owner = owner
        self.balance =
