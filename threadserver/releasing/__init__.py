"""The student edition: what students install, without solutions, mistakes, alternatives, or anything to make them from.

``edition`` decides what goes in and writes it; ``leak_check`` proves that no solution's text came along.
"""
