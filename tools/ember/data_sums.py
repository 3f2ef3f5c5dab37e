"""Sums, and sums of dates: every turn is (question, reasoning, answer)."""

MONTHS = (("January", 31), ("February", 28), ("March", 31), ("April", 30), ("May", 31),
          ("June", 30), ("July", 31), ("August", 31), ("September", 30), ("October", 31),
          ("November", 30), ("December", 31))
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

ADD = ("What is {a} + {b}?", "What is {a} plus {b}?", "Add {a} and {b}.", "Calculate {a} + {b}.",
       "{a} + {b} = ?", "How much is {a} plus {b}?", "What do {a} and {b} make together?")
SUBTRACT = ("What is {a} - {b}?", "What is {a} minus {b}?", "Subtract {b} from {a}.",
            "Calculate {a} - {b}.", "{a} - {b} = ?", "How much is {a} minus {b}?")
MULTIPLY = ("What is {a} x {b}?", "What is {a} times {b}?", "Multiply {a} by {b}.",
            "Calculate {a} * {b}.", "{a} x {b} = ?", "How much is {a} times {b}?")
ADD_NEXT = ("Add {b} to that.", "Now add {b}.", "And plus {b}?")
SUBTRACT_NEXT = ("Subtract {b} from that.", "Now take away {b}.", "And minus {b}?")
BETWEEN = ("How many days are there from {a} to {b}?", "How many days are between {a} and {b}?",
           "Days from {a} to {b}?", "How many days is it from {a} until {b}?")
WEEKDAY = ("What day is it {n} days after {d}?", "If today is {d}, what day is it in {n} days?",
           "Today is {d}. Which weekday is it in {n} days?", "{n} days after {d} is which day?")


def digits(number, width):
    """Digits from the right."""
    return [number // 10**i % 10 for i in range(width)]


def add_steps(a, b):
    """Addition digit by digit, from the right."""
    width, carry, steps = max(len(str(a)), len(str(b))), 0, []
    for x, y in zip(digits(a, width), digits(b, width)):
        total = x + y + carry
        plus = f" + {carry}" if carry else ""
        steps.append(f"{x} + {y}{plus} = {total}, write {total % 10}")
        carry = total // 10
    if carry:
        steps.append(f"write {carry}")
    return "; ".join(steps)


def subtract_steps(a, b):
    """Subtraction digit by digit, from the right; a is not less than b."""
    width, borrow, steps = len(str(a)), 0, []
    for x, y in zip(digits(a, width), digits(b, width)):
        have, borrowed = x - borrow, 0
        if have < y:
            have, borrowed = have + 10, 1
        steps.append(f"{have} - {y} = {have - y}" + (", borrow 1" if borrowed else ""))
        borrow = borrowed
    return "; ".join(steps)


def add(a, b):
    return (f"{a} + {b}. From the right: {add_steps(a, b)}. That is {a + b}.",
            f"{a} + {b} = {a + b}.")


def subtract(a, b):
    if a < b:
        steps = subtract_steps(b, a)
        return (f"{a} - {b}. {a} is less than {b}, so I take {b} - {a}. From the right: {steps}. "
                f"That is {b - a}, so the result is -{b - a}.", f"{a} - {b} = -{b - a}.")
    return (f"{a} - {b}. From the right: {subtract_steps(a, b)}. That is {a - b}.",
            f"{a} - {b} = {a - b}.")


def multiply(a, b):
    return f"{a} times {b} is {a * b}.", f"{a} x {b} = {a * b}."


def number(rng):
    """One to three digits, all lengths alike."""
    return rng.randrange(10 ** rng.choice((1, 2, 2, 3, 3)))


def sum_turn(rng):
    """A question and its result, which a follow-up may use."""
    kind = rng.choice(("add", "add", "subtract", "subtract", "multiply"))
    if kind == "multiply":
        a, b = rng.randrange(2, 13), rng.randrange(2, 13)
        return (rng.choice(MULTIPLY).format(a=a, b=b), *multiply(a, b)), a * b
    a, b = number(rng), number(rng)
    if kind == "add":
        return (rng.choice(ADD).format(a=a, b=b), *add(a, b)), a + b
    if a < b and rng.random() < 0.8:
        a, b = b, a
    return (rng.choice(SUBTRACT).format(a=a, b=b), *subtract(a, b)), a - b


def sums(rng):
    """A sum, sometimes with a follow-up on its result."""
    turn, result = sum_turn(rng)
    turns = [turn]
    if rng.random() < 0.25 and 0 <= result < 1000:
        b = rng.randrange(1, 100)
        if b <= result and rng.random() < 0.5:
            turns.append((rng.choice(SUBTRACT_NEXT).format(b=b), *subtract(result, b)))
        else:
            turns.append((rng.choice(ADD_NEXT).format(b=b), *add(result, b)))
    return turns


def days_between(rng):
    """The days between two dates of the same or the next month."""
    month = rng.randrange(12)
    name, length = MONTHS[month]
    if rng.random() < 0.4 or month == 11:
        first, last = sorted(rng.sample(range(1, length + 1), 2))
        count = last - first
        second = name
        steps = f"Both days are in {name}: {last} - {first} = {count}."
    else:
        first, last = rng.randrange(1, length + 1), rng.randrange(1, 29)
        second = MONTHS[month + 1][0]
        count = length - first + last
        steps = (f"{name} has {length} days: {length} - {first} = {length - first}. "
                 f"Then {last} days of {second}: {length - first} + {last} = {count}.")
    a, b = f"{name} {first}", f"{second} {last}"
    days = "day" if count == 1 else "days"
    return [(rng.choice(BETWEEN).format(a=a, b=b), steps,
             f"From {a} to {b} it is {count} {days}.")]


def weekday_after(rng):
    """The weekday after some days."""
    n, start = rng.randrange(2, 61), rng.randrange(7)
    weeks, rest = divmod(n, 7)
    end = WEEKDAYS[(start + rest) % 7]
    steps = f"{n} = {weeks} x 7 + {rest}."
    if rest:
        walk = ", ".join(f"{i} {WEEKDAYS[(start + i) % 7]}" for i in range(1, rest + 1))
        steps += f" From {WEEKDAYS[start]}: {walk}."
    else:
        steps += f" Whole weeks, so it is {end} again."
    return [(rng.choice(WEEKDAY).format(n=n, d=WEEKDAYS[start]), steps,
             f"{n} days after {WEEKDAYS[start]} it is {end}.")]


def dates(rng):
    return days_between(rng) if rng.random() < 0.5 else weekday_after(rng)
