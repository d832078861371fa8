"""What a model is told of ALFWorld, in our words."""

INSTRUCTIONS = (
    "You act in a household, described to you in text, to carry out the task that you are given at the start.\n"
    "An action is one command, for example: go to fridge 1, open fridge 1, take apple 1 from fridge 1, "
    "move apple 1 to table 1, clean mug 1 with sinkbasin 1, heat egg 1 with microwave 1, cool egg 1 with fridge 1, "
    "use desklamp 1, examine cabinet 1, inventory, look.\n"
    "You see what is in or on a place only when you are there, and closed places must be opened first. You can carry "
    'one object. "Nothing happens." means that the command is not possible here and now.'
)

AGENTBENCH_V02 = (
    "You control an agent in a household and carry out the task that is described to you. After each of your turns "
    "you are told what happened and which actions are available.\n"
    'Answer with a thought and an action, "THOUGHT: what you think\n ACTION: the next action\n", or with the action '
    'alone, "ACTION: the next action\n". The action must be one of those listed as available. If nothing happens, '
    "the action was not possible: try another.\n\n"
)

AGENTBENCH_FC = (
    "You control an agent in a household and carry out the task that is described to you. After each action you are "
    "told what happened and which actions are available. Act by calling the tool that you are given, and by nothing "
    "else; its argument is one of the available actions, to the letter. If nothing happens, the action was not "
    "possible: try another. Think before you act where it helps."
)

VERL_FIRST = """
You control an agent in a household of the ALFRED environment.
What you observe now: {current_observation}
The actions that are possible now: [{admissible_actions}].

Decide what to do next. First reason about it step by step between <think> and </think>.
Then write one of the possible actions between <action> and </action>.
"""

VERL_LATER = """
You control an agent in a household of the ALFRED environment. Your task is to: {task_description}
You have taken {step_count} step(s) so far. The last {history_length} observations and your actions: {action_history}
This is step {current_step}. What you observe now: {current_observation}
The actions that are possible now: [{admissible_actions}].

Decide what to do next. First reason about it step by step between <think> and </think>.
Then write one of the possible actions between <action> and </action>.
"""
