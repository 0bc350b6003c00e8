"""The look-ahead audit: proves, or refutes with the culprit's name, that nothing known later reached a decision."""
