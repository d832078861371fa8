"""What a model is told of DB-Bench, in our words."""

INSTRUCTIONS = (
    "You answer questions about a small MySQL database, or change it as you are asked.\n"
    "An action is one SQL statement on one line. You see what the database answers: the rows, or its error message.\n"
    "All columns hold text, and names may contain blanks or punctuation: put them in backticks.\n"
    'When you know the answer, give it with the action `answer: ["first item", "second item"]`, a JSON list of texts, '
    "one item for each value of the result, nothing else.\n"
    "If the task was to change the database, check the change and then finish with `answer: []`."
)

V02_INSTRUCTIONS = (
    "You answer questions about a MySQL database, or change it as asked, by writing SQL that is executed for you.\n"
    "In each turn first explain what you are doing, then do exactly one of two things.\n"
    "To run one statement, written on one line, end your turn with:\n"
    "Action: Operation\n"
    "```sql\n"
    "SELECT name FROM table_name WHERE condition;\n"
    "```\n"
    "Only the first such block is run, and you are shown MySQL's raw answer.\n"
    "When you are certain of the result, end your turn with:\n"
    "Action: Answer\n"
    'Final Answer: ["first item", "second item"]\n'
    "The answer is compared to the letter. Where the task was to change data, do so first; any answer then ends it.\n"
    "A turn in neither form ends the task as failed."
)

FC_INSTRUCTIONS = (
    "You answer questions about a MySQL database, or change it as asked. In each turn explain what you are doing and "
    "call one of the two functions.\n"
    "`execute_sql` runs one statement, written on one line, and shows you MySQL's raw answer.\n"
    "`commit_final_answer` ends the task with the list of values that answers the question. Call it only when you are "
    "certain: the answer is compared to the letter. Where the task was to change data, do so first; any answer then "
    "ends it.\n"
    "An answer outside of a function call does not count."
)
