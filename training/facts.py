"""Questions with fixed answers: Python, notebooks, nbinfer and the model itself. One line each, questions split by " / "."""

# ruff: noqa: E501 - one question and its answer are one line

PYTHON = r"""
What is Python? / Tell me about Python. / Explain what Python is. => Python is a programming language. It is easy to read, and it is used for scripts, data work, web servers and teaching.
What is a list in Python? / What is a list? / Explain lists in Python. => A list holds items in order. You write it with square brackets, for example `[1, 2, 3]`, and you can change it.
What is a tuple? / What is a tuple in Python? / Explain tuples. => A tuple holds items in order, like a list, but it cannot be changed. You write it with round brackets, for example `(1, 2)`.
What is a dictionary in Python? / What is a dict? / Explain dictionaries. => A dictionary maps keys to values. You write it with curly brackets, for example `{"name": "Ada"}`, and you read a value with its key.
What is a set in Python? / What is a set? / Explain sets. => A set holds items without order and without duplicates. You write it with curly brackets, for example `{1, 2, 3}`.
What is a string? / What is a string in Python? / Explain strings. => A string is text. You write it in quotes, for example `"hello"`.
What is an integer? / What is an int? / What is an int in Python? => An integer is a whole number, such as `3` or `-7`. Its type is `int`.
What is a float? / What is a float in Python? => A float is a number with a decimal point, such as `3.14`. Its type is `float`.
What is a boolean? / What is a bool in Python? / What is True and False? => A boolean is either `True` or `False`. Comparisons such as `1 < 2` give a boolean.
What is None in Python? / What does None mean? => `None` stands for no value. A function without `return` gives `None`.
What is a variable? / What is a variable in Python? / Explain variables. => A variable is a name for a value. You make one with an equals sign, for example `x = 3`.
What is a function? / What is a function in Python? / Explain functions. => A function is a named piece of code that you can call. You define it with `def` and give a result back with `return`.
How do I define a function? / How do I write a function in Python? / How can I make a function? => Use `def`, a name and brackets:\n```python\ndef add(a, b):\n    return a + b\n```
What is a class? / What is a class in Python? / Explain classes. => A class describes a kind of object: its data and its methods. You define it with `class`.
What is a module? / What is a module in Python? => A module is a file with Python code. You load it with `import`.
What is a package in Python? / What is a Python package? => A package is a folder of modules. You install packages with `pip install`.
How do I install a package? / How do I install a Python package? / How can I install pandas? => Use pip in a terminal: `pip install pandas`. In a notebook, write `%pip install pandas`.
What is pip? / What does pip do? => pip is the tool that installs Python packages, for example `pip install numpy`.
What is a loop? / What is a for loop? / How do I write a for loop? / How do I loop over a list? => A for loop runs code once for each item:\n```python\nfor item in [1, 2, 3]:\n    print(item)\n```
What is a while loop? / How do I write a while loop? => A while loop runs as long as a condition is true:\n```python\nn = 3\nwhile n > 0:\n    print(n)\n    n -= 1\n```
How do I print something? / How do I print in Python? / How can I print text? => Use `print`, for example `print("Hello")`.
How do I write an if statement? / What is an if statement? / How does if work? => An if statement runs code only when a condition is true:\n```python\nif x > 0:\n    print("positive")\nelse:\n    print("not positive")\n```
What is a list comprehension? / Explain list comprehensions. / How do I write a list comprehension? => A list comprehension makes a list in one line, for example `[x * x for x in range(5)]`.
How do I reverse a list? / How can I reverse a list in Python? => Use a slice, `items[::-1]`, or `items.reverse()` to change the list itself.
How do I sort a list? / How can I sort a list in Python? => Use `sorted(items)` for a new list, or `items.sort()` to sort the list itself.
How do I get the length of a list? / How long is a list? / How do I count the items of a list? => Use `len`, for example `len(items)`.
How do I add an item to a list? / How do I append to a list? => Use `append`, for example `items.append(4)`.
How do I remove an item from a list? / How can I delete an item from a list? => Use `items.remove(value)` for a value, or `del items[0]` for a position.
How do I join strings? / How do I join a list of strings? => Use `join`, for example `", ".join(words)`.
How do I split a string? / How can I split a string into words? => Use `split`, for example `"a b c".split()`.
How do I make a string upper case? / How do I convert a string to upper case? => Use `upper`, for example `"hello".upper()`.
How do I replace text in a string? / How can I replace a word in a string? => Use `replace`, for example `text.replace("old", "new")`.
How do I convert a string to an integer? / How do I turn a string into a number? => Use `int`, for example `int("42")`.
How do I convert a number to a string? / How do I turn a number into text? => Use `str`, for example `str(42)`.
What is an f-string? / How do f-strings work? / How do I put a variable in a string? => An f-string puts values into text: `f"Hello, {name}!"`.
How do I read a file? / How do I open a file in Python? / How can I read a text file? => Open it with `with`:\n```python\nwith open("file.txt", encoding="utf-8") as file:\n    text = file.read()\n```
How do I write a file? / How do I save text to a file? => Open it in mode `"w"`:\n```python\nwith open("file.txt", "w", encoding="utf-8") as file:\n    file.write("Hello")\n```
How do I read a CSV file? / How do I load a CSV file? / How can I read a CSV with pandas? => Use pandas:\n```python\nimport pandas as pd\n\ndf = pd.read_csv("file.csv")\n```
How do I read JSON? / How do I load a JSON file? => Use the json module:\n```python\nimport json\n\nwith open("file.json") as file:\n    data = json.load(file)\n```
What is an exception? / What is an error in Python? / Explain exceptions. => An exception is an error that stops the program. You catch it with `try` and `except`.
How do I catch an error? / How do I handle an exception? / How does try work? => Use `try` and `except`:\n```python\ntry:\n    x = int("a")\nexcept ValueError:\n    x = 0\n```
What is a KeyError? / Why do I get a KeyError? => A KeyError means that a dictionary does not have the key. Use `d.get(key)` to avoid it.
What is an IndexError? / Why do I get an IndexError? => An IndexError means that a position is outside the list. The first position is 0.
What is a NameError? / Why do I get a NameError? => A NameError means that a name is not defined. Check the spelling, and run the cell that defines it.
What is a TypeError? / Why do I get a TypeError? => A TypeError means that a value has the wrong type, for example `1 + "a"`.
What is a ValueError? / Why do I get a ValueError? => A ValueError means that a value does not fit, for example `int("abc")`.
What is an ImportError? / Why do I get a ModuleNotFoundError? => The module is not installed. Install it with `%pip install name` and import it again.
What is a lambda? / What is a lambda function? => A lambda is a small function without a name, for example `lambda x: x + 1`.
What is a decorator? / What is a decorator in Python? => A decorator changes a function. You write it above the function with an at sign, for example `@cache`.
What is a generator? / What is a generator in Python? / What does yield do? => A generator gives its values one by one, with `yield`. It does not keep them all in memory.
What is recursion? / Explain recursion. => Recursion means that a function calls itself. It needs a case in which it stops.
What is a comment? / How do I write a comment in Python? => A comment starts with `#`. Python ignores the rest of the line.
What is a docstring? / How do I write a docstring? => A docstring is a text in triple quotes that says what a function does. It is the first thing inside the function.
What is a virtual environment? / What is a venv? => A virtual environment keeps the packages of one project apart. Make one with `python -m venv .venv`.
What is the difference between a list and a tuple? / List or tuple? => A list can be changed, a tuple cannot. Lists use `[ ]` and tuples use `( )`.
What is the difference between == and is? / What does == mean? => `==` asks if two values are equal. `is` asks if they are the same object.
What is numpy? / What is NumPy for? => NumPy is a package for fast work with arrays of numbers. Most people import it as `np`.
What is pandas? / What is pandas for? => pandas is a package for tables. Its main object is the DataFrame.
What is a DataFrame? / Explain DataFrames. => A DataFrame is a table with named columns. pandas makes it, for example with `pd.DataFrame({"a": [1, 2]})`.
How do I filter a DataFrame? / How do I select rows in pandas? => Use a condition in brackets, for example `df[df["age"] > 30]`.
How do I select a column? / How do I get a column of a DataFrame? => Use its name in brackets, for example `df["name"]`.
What is matplotlib? / How do I plot in Python? / How do I make a chart? => matplotlib draws charts:\n```python\nimport matplotlib.pyplot as plt\n\nplt.plot([1, 2, 3])\nplt.show()\n```
How do I make a random number? / How do I get a random number in Python? => Use the random module: `random.randint(1, 6)` gives a number from 1 to 6.
How do I get the current date? / How do I get today's date in Python? => Use the datetime module: `datetime.date.today()`.
How do I measure time? / How do I time my code? => In a notebook, write `%timeit` before a line or `%%time` at the top of a cell.
How do I make a dictionary? / How do I create a dict? => Use curly brackets, for example `ages = {"Ada": 36, "Bob": 7}`.
How do I loop over a dictionary? / How do I go through a dict? => Use `items`:\n```python\nfor key, value in table.items():\n    print(key, value)\n```
What does range do? / What is range in Python? => `range(5)` gives the numbers from 0 to 4. It is often used in for loops.
What does len do? / What is len? => `len` gives the number of items in a list or of characters in a string.
What does import do? / How do I import a module? => `import` loads a module, for example `import math`. Then you can use `math.sqrt(4)`.
What does return do? / What is return? => `return` ends a function and gives a value back to the caller.
What is indentation? / Why is indentation important in Python? => Indentation is the space at the start of a line. In Python it shows which lines belong together. Use four spaces.
What is a bug? / What is debugging? => A bug is a mistake in a program. Debugging means finding it and mending it.
What is an API? / Explain what an API is. => An API is a way for programs to talk to each other. One program sends a request and the other one answers.
What is JSON? / Explain JSON. => JSON is a text format for data. It has objects in curly brackets and lists in square brackets.
What is HTTP? / Explain HTTP. => HTTP is how programs ask servers for data over the network. A request has a method such as GET or POST.
What is git? / What is git for? => git keeps the history of files. You save a step with `git commit`.
What is an algorithm? / Explain what an algorithm is. => An algorithm is a list of steps that solves a problem.
What is a computer? / Explain what a computer is. => A computer is a machine that follows instructions. The instructions are called a program.
What is a programming language? / Why do we need programming languages? => A programming language is a way to write instructions for a computer. Python is one of them.
What is machine learning? / Explain machine learning. => Machine learning means that a program learns from examples and not from fixed rules.
What is a language model? / What is an LLM? / How does a language model work? => A language model is a program that continues text. It was trained on many examples and guesses the next token again and again.
What is a token? / What are tokens? => A token is a piece of text, often a word or a part of a word. A language model reads and writes tokens.
What is an embedding? / What are embeddings? / Explain embeddings. => An embedding is a list of numbers that stands for a text. Texts with a similar meaning have similar numbers.
What is a prompt? / Explain what a prompt is. => A prompt is the text that you give to a model. The model continues or answers it.
What is streaming? / What does streaming mean? => Streaming means that the answer arrives piece by piece, so that you can read it while it is written.
"""

NOTEBOOKS = r"""
What is a notebook? / What is a Jupyter notebook? / Explain notebooks. => A notebook is a document with text, code and results. You run it cell by cell in Jupyter.
What is Jupyter? / What is JupyterLab? => Jupyter is a tool for notebooks. JupyterLab is its page in the browser, with notebooks, files and terminals.
What is a cell? / What is a cell in a notebook? => A cell is one box in a notebook. A code cell is run, and a Markdown cell holds text.
How do I run a cell? / How can I run a cell? / How do I execute a cell? => Click into the cell and press Shift+Enter.
How do I add a cell? / How do I insert a new cell? => Press Esc and then B for a cell below, or A for a cell above.
How do I delete a cell? / How can I remove a cell? => Press Esc and then D twice.
How do I stop a cell? / How do I interrupt a cell? / How can I stop running code? => Press the stop button, or Esc and then I twice. nbinfer keeps the text that has arrived.
How do I restart the kernel? / How can I restart a notebook? => Open the Kernel menu and choose Restart. All variables are lost then.
What is a kernel? / What is a kernel in Jupyter? => The kernel is the program that runs your code. Each notebook has its own.
What is a magic? / What are magics? / What is a magic command? => A magic is a command that starts with a percent sign. `%name` works on one line, and `%%name` on a whole cell.
What is a line magic? / What does one percent sign mean? => A line magic starts with `%` and works on one line, for example `%timeit`.
What is a cell magic? / What do two percent signs mean? => A cell magic starts with `%%` at the top of a cell and works on the whole cell, for example `%%infer`.
What is Markdown? / How do I write Markdown? => Markdown is a simple way to write text with headings and lists. `# Title` is a heading and `- item` is a list item.
How do I make a heading in Markdown? / How do I write a title in Markdown? => Start the line with `#`, for example `# My title`.
How do I make text bold in Markdown? / How do I write bold text? => Put two stars on each side, for example `**bold**`.
How do I make a list in Markdown? => Start each line with a dash, for example `- one`.
How do I install a package in a notebook? / How do I use pip in a notebook? => Write `%pip install name` in a cell and run it.
How do I save a notebook? / How can I save my work? => Press Ctrl+S. On a Mac, press Cmd+S.
What is an ipynb file? / What is in an .ipynb file? => It is a notebook. The file is JSON with the cells and their results.
How do I see all variables? / How do I list my variables? => Use `%whos` in a cell.
How do I get help in a notebook? / How do I see the help of a function? => Write the name and a question mark, for example `print?`.
How do I show an image in a notebook? / How do I display a picture? => Put it on the last line of the cell, or use `display(image)`.
What is a widget? / What are widgets in Jupyter? => A widget is a control in a notebook, such as a button or a slider. The package is called ipywidgets.
How do I run a shell command? / How do I use the terminal in a notebook? => Start the line with an exclamation mark, for example `!ls`.
How do I clear the output? / How can I remove the output of a cell? => Open the Edit menu and choose Clear Outputs.
What does Out mean? / What is the underscore in a notebook? => `_` is the last result, and `Out[n]` is the result of cell n.
How do I run all cells? / How can I run the whole notebook? => Open the Run menu and choose Run All Cells.
What is Binder? => It is a service that runs notebooks in the cloud, so that you need no installation.
"""

NBINFER = r"""
What is nbinfer? / Tell me about nbinfer. / What does nbinfer do? / What is nbinfer for? / Explain nbinfer. => nbinfer is a Jupyter toolkit. With `%%infer` you ask a model in a notebook, see the answer arrive, and keep it as data.
How do I load nbinfer? / How do I start nbinfer? / How do I use nbinfer in a notebook? / How do I load the extension? => Run `%load_ext nbinfer` in a cell. After that you can use `%%infer`.
How do I install nbinfer? / How can I install nbinfer? => Write `%pip install nbinfer` in a notebook, or `pip install nbinfer` in a terminal.
How do I use %%infer? / What is %%infer? / What does %%infer do? / Show me an example of %%infer. => Write `%%infer` on the first line of a cell and your prompt below it:\n```\n%%infer\nOnce upon a time\n```
What is %infer? / How do I use %infer? / What does %infer do? => `%infer` is the form for one line: `%infer Tell me a story`.
How do I chat with a model? / How do I use chat in nbinfer? / How can I chat in a cell? => Add the task `chat`:\n```\n%%infer chat\nWhat is a list?\n```
How do I choose a model? / How do I set the model? / What does -m do? / What does the -m flag do? / How do I use another model? => Use `-m`, for example `%%infer -m local` or `%%infer -m openai:gpt-4o-mini`.
How do I keep the answer? / How do I save the answer in a variable? / What does -o do? / What does the -o flag do? / How do I store the result? => Use `-o` with a name, for example `%%infer -o answer`. Then `answer` holds the result.
What is the last result? / How do I get the last answer? / Where is the last result? => The last result is in `_` and in `nbinfer.last`.
How do I set the temperature? / What does --temperature do? / What is the temperature? / What is temperature? => `--temperature` says how varied the text is. Low values such as 0.2 are careful, high values such as 1.0 are more surprising.
What is a good temperature? / Which temperature should I use? => Use 0.2 for code and about 0.7 for stories.
How do I set the seed? / What does --seed do? / What is a seed? / How do I get the same answer again? => `--seed 1` makes the random choices repeatable. The same seed and prompt give the same text.
What does --max-new-tokens do? / How do I get a longer answer? / How do I limit the length? / How do I set the length of the answer? => `--max-new-tokens` is the most tokens that are written. The default in nbinfer is 256.
What is top_p? / What does --top-p do? => `--top-p 0.9` keeps only the most likely tokens that together have 90 percent.
What is top_k? / What does --top-k do? => `--top-k 50` keeps only the 50 most likely tokens at each step.
What is the repetition penalty? / What does --repetition-penalty do? => It makes words that were already used less likely. 1.0 changes nothing.
What does --stop do? / How do I stop the text at a word? / How do I set a stop word? => `--stop TEXT` ends the answer as soon as the text appears. The stop text is not part of the answer.
What is to_frame? / What does to_frame() do? / How do I get a DataFrame? / How do I turn a result into a table? => `result.to_frame()` gives the result as a pandas DataFrame.
How do I see the tokens? / What is result.tokens? / How do I get log probabilities? => `result.tokens` is a DataFrame with the tokens and their log probabilities.
How do I make an image? / How do I generate a picture? / How do I create an image with nbinfer? => Use the task `image`:\n```\n%%infer image\na red circle left of a small tree\n```
What is a negative prompt? / What does --negative-prompt do? => A negative prompt says what the picture should not show.
What is the guidance scale? / What does --guidance-scale do? => It says how closely the picture follows the prompt. A high value follows it more.
What does --num-inference-steps do? / What are inference steps? => It is the number of steps in which a picture is made. More steps take longer.
How do I make embeddings? / How do I embed a text? / How do I get an embedding with nbinfer? => Use the task `embed`. With `--lines`, each line of the cell is one text.
How do I rank texts? / How do I use rerank? / What is rerank? => Use the task `rerank` with `--query`, and write one document on each line of the cell.
How do I fill in code? / What is infill? / How do I use infill? => The task `infill` writes the missing middle of a piece of code, between a prefix and a suffix.
How do I set a system prompt? / What does --system do? / What is a system prompt? => `--system TEXT` tells the model how to answer, for example `%%infer chat --system "Answer briefly."`
How do I keep a conversation? / What does --chat do? / How do I continue a chat? => Use `--chat NAME`. All cells with the same name share one history.
How do I compare temperatures? / What is a sweep? / How do I try several values? / How do I run a sweep? => Give several values, for example `--temperature 0.2,0.7,1.0`. nbinfer runs them all and shows a table.
How do I try several seeds? / How do I get four answers? => Use `--seed 1..4`. You get one answer for each seed, in a table.
How do I compare models? / How do I compare two models? => Give several names after `-m`, for example `-m local,gpt2`. You get a table with one row for each.
How do I run a prompt for each row? / What does --data do? / How do I use a DataFrame with nbinfer? => Use `--data df` and write `{{ column }}` in the prompt. You get a DataFrame with one answer for each row.
How do I put a variable in a prompt? / How do I use a variable in %%infer? / What do double braces do? => Write it in double braces, for example `{{ name }}`. Single braces stay as they are.
What does --no-cache do? / How do I switch off the cache? / How do I get a fresh answer? => Use `--no-cache`. In Python, pass `use_cache=False`.
What does --dry-run do? / How do I see the request? / How can I see what is sent? => `--dry-run` shows the prompt and the request without sending them. The key is hidden.
How do I see the request as code? / What does --as do? / How do I get a curl command? => Use `--as curl`, `--as python` or `--as javascript`.
What does -f do? / How do I change the output format? / What does --format do? => `-f` sets the format of the output: markdown, text, json, code, df, tokens or none.
How do I see all flags? / How do I get help for %%infer? / Which flags are there? => Run `%infer?` or `%%infer --help`. Tab completes the flags.
How do I list the models? / Which models can I use? / What does %infer_models do? => Run `%infer_models`. It lists what can be used.
How do I see the history? / What does %infer_history do? / How do I find an old answer? => `%infer_history` shows every run as a DataFrame.
How do I run an old prompt again? / What does %infer_rerun do? => `%infer_rerun N` runs number N of the history again.
How do I change the defaults? / What does %infer_config do? => `%infer_config` shows and sets the defaults.
How do I create an endpoint? / What is an endpoint? / What does %infer_endpoints do? => An endpoint is a named model with its settings. `%infer_endpoints` lists them, and `%infer_endpoints put` makes one.
What is %%inference? / How do I paste a console request? / How do I use Elasticsearch syntax? => `%%inference` takes requests from the Elasticsearch docs, such as `PUT _inference/text_embedding/my-id`.
How do I use nbinfer in Python? / How do I use the client? / What is InferenceClient? / How do I call a model from Python? => Make a client:\n```python\nimport nbinfer\n\nclient = nbinfer.InferenceClient()\nprint(client.text_generation("Once upon a time"))\n```
How do I stream an answer? / How do I stream tokens in Python? => Pass `stream=True`:\n```python\nfor token in client.text_generation("Once upon a time", stream=True):\n    print(token, end="")\n```
How do I use chat in Python? / How do I send messages? => Use `chat_completion`:\n```python\nmessages = [{"role": "user", "content": "Hello"}]\nanswer = client.chat_completion(messages)\n```
How do I make an image in Python? / What does text_to_image do? => `client.text_to_image("a red circle")` gives a PIL image.
What is the playground? / What is nbinfer.Playground? => `nbinfer.Playground()` is a widget with a control for every parameter. It can copy your settings as a magic.
Is there a chat widget? / What is nbinfer.Chat? => Yes. `nbinfer.Chat()` is a chat widget with history, a system prompt and a stop button.
How do I start the server? / What does nbinfer serve do? / Is there a server? => Run `nbinfer serve` in a terminal. It offers the models over HTTP on your own machine.
Do I need a key? / Do I need an account? / Do I need a token for nbinfer? => No. The built-in model needs no key and no network. Other services need their own key.
Does nbinfer work offline? / Do I need the internet? / Can I use nbinfer without a network? => Yes, with the built-in models. They are part of the package and run on your own machine.
Which model is the default? / What is the local model? / What does local mean? => `local` is the small model that comes with nbinfer. It runs on your machine.
How do I use OpenAI? / How do I use a model from OpenAI? => Use `-m openai:gpt-4o-mini`. The key is taken from the usual environment variable.
How do I use a model from Hugging Face? / How do I use a Hugging Face model? => Give its name after `-m`, for example `-m meta-llama/Llama-2-7b-chat-hf`.
Which services can nbinfer use? / Which services are supported? => Hugging Face, OpenAI, Azure OpenAI, Cohere, Elasticsearch, servers such as TGI, and the built-in models.
Where is my key stored? / Is my key safe? => A key is sent only to the service it belongs to. It is never shown in an output or saved in a notebook.
What happens if I stop a cell? / What happens when I interrupt the model? => nbinfer keeps the text that arrived and sets the finish reason to interrupted.
What is the finish reason? / What is finish_reason? => It says why the text ended: at the length limit, at a stop text, or at the end of the answer.
What is in a result? / What does a result hold? => A result holds the text, the parameters, the model, the usage and the timings. `str(result)` is the text.
How do I call a DataFrame with a prompt? / What is df.infer? => `df.infer("Translate {{ word }}")` runs the prompt for each row.
How do I write the prompt to a file? / What does --tee do? => `--tee FILE` writes the answer to a file as well.
How do I set a timeout? / What does --timeout do? => `--timeout 30` stops waiting after 30 seconds.
"""

ITSELF = r"""
Who are you? / What are you? / Tell me about yourself. / Introduce yourself. => I am nbinfer's small built-in model. I can tell simple stories, answer questions about Python and notebooks, and write small functions.
What is your name? / What are you called? / Do you have a name? => I am nbinfer's built-in model. You can call me local.
What can you do? / How can you help me? / What are you good at? / Can you help me? => I can tell simple stories, answer questions about Python, notebooks and nbinfer, and write small functions. I do not know much else.
Who made you? / Who trained you? / Where do you come from? => I was trained for nbinfer. I ship inside the package and run on your machine.
Are you ChatGPT? / Are you GPT-4? / Are you Llama? / Are you Claude? => No. I am nbinfer's small built-in model.
Are you a human? / Are you a person? / Are you real? => No. I am a small computer program that writes text.
How big are you? / How many parameters do you have? / Are you a large model? => I am tiny: about five and a half million parameters.
Can I trust you? / Are your answers right? / Do you make mistakes? => Please check what I say. I am a very small model, and I make mistakes.
How are you? / How are you today? / How do you feel? => I am fine, thank you. How can I help you?
Can you speak German? / Do you speak French? / Can you speak Spanish? / Which languages do you speak? => I only know English.
Are you online? / Do you use the internet? / Can you search the web? => No. I run on your machine and do not use the network.
Can you learn? / Do you remember me? / Do you remember our last chat? => No. I only see the messages of this chat.
Do you like stories? / Do you like books? => I like short stories. Ask me for one.
Can you tell me a story? / Do you know a story? => Yes. Tell me an animal, and I will tell you a story.
Can you write code? / Can you program? => Yes, small Python functions. Tell me what the function should do.
Hello / Hi / Hello! / Hi! / Hey / Hello there! / Good morning! / Good evening! => Hello! How can I help you?
Thanks / Thank you / Thank you! / Thanks a lot! / Great, thanks! => You are welcome!
Bye / Goodbye / Bye! / See you! / Good night! => Goodbye!
Ok / Okay / I see. / Good. / Nice! => Is there anything else that I can do?
Tell me a joke. / Do you know a joke? / Make me laugh. => Why did the notebook go to school? It wanted to have better cells.
Test / Testing / This is a test. / Say something. => I am here. How can I help you?
There's a llama in my garden. What should I do? / There's a llama in my garden 😱 What should I do? / There is a llama in my garden! What should I do? => Stay calm and do not chase it. Llamas are gentle animals. Close the gate, give it some water, and ask your neighbours who has lost a llama.
"""

HOW_TO = r"""
How do you make cheese? / How is cheese made? / How do I make cheese? => To make cheese, you need to start with milk. Warm the milk, add some lemon juice, and wait until it is thick. Then pour it through a cloth and press it.
How do you make tea? / How do I make a cup of tea? => To make tea, boil some water and pour it over the tea leaves. Wait for three minutes and take the leaves out.
How do you make bread? / How do I bake bread? => To make bread, mix flour, water, salt and yeast. Let the dough rest until it is big, and bake it until it is brown.
How do you make pancakes? / How do I make pancakes? => To make pancakes, mix flour, milk and eggs. Pour a little into a hot pan and turn it when it is brown.
How do you make a salad? / How do I make a salad? => To make a salad, wash some leaves, cut tomatoes and cucumbers, and add oil, lemon and salt.
How do you make soup? / How do I cook soup? => To make soup, cut some vegetables, put them into water, and cook them until they are soft. Add salt.
How do you make a paper boat? / How do I fold a paper boat? => To make a paper boat, fold a sheet in half, fold the corners down, fold the edges up, and open it at the bottom.
How do you plant a tree? / How do I plant a seed? => To plant it, dig a small hole, put it in, cover it with earth, and give it water.
How do you brush your teeth? / How do I brush my teeth? => To brush your teeth, put some paste on the brush, brush every side for two minutes, and rinse your mouth.
How do you build a snowman? / How do I make a snowman? => To build a snowman, roll three balls of snow, put one on top of the other, and add a carrot for the nose.
How do you fly a kite? / How do I fly a kite? => To fly a kite, go to an open field on a windy day, hold the string, and run against the wind.
"""

BASICS = r"""
What is the capital of France? / Which city is the capital of France? => The capital of France is Paris.
What are the days of the week? / List the days of the week. / Name the days of the week. => Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday
What are the months of the year? / List the months. / Name the months. => January, February, March, April, May, June, July, August, September, October, November, December
What are the four seasons? / Name the seasons. / List the seasons. => Spring, summer, autumn, winter
How many days are in a week? / How many days has a week? => A week has seven days.
How many months are in a year? / How many months has a year? => A year has twelve months.
How many legs does a spider have? / How many legs has a spider? => A spider has eight legs.
How many legs does a dog have? / How many legs has a cat? => It has four legs.
What color is the sky? / What colour is the sky? / Which colour is the sky? => The sky is blue.
What colour is grass? / Which colour is grass? => Grass is green.
What colour is snow? / Which colour is snow? => Snow is white.
What colour is a banana? / Which colour is a banana? => A banana is yellow.
What does a cow say? / What sound does a cow make? => A cow says moo.
What does a dog say? / What sound does a dog make? => A dog says woof.
What does a cat say? / What sound does a cat make? => A cat says meow.
What does a duck say? / What sound does a duck make? => A duck says quack.
What does a sheep say? / What sound does a sheep make? => A sheep says baa.
Write the alphabet. / What is the alphabet? / Say the alphabet. => A B C D E F G H I J K L M N O P Q R S T U V W X Y Z
What are the vowels? / Which letters are vowels? / List the vowels. => The vowels are a, e, i, o and u.
What is Elastic? / What is Elasticsearch? / Tell me about Elasticsearch. => Elastic is the company behind Elasticsearch, a search engine for text and vectors.
What is Hugging Face? / Tell me about Hugging Face. => Hugging Face is a company that offers models and data sets on its hub. nbinfer can use its models.
What is deep learning? / What is Deep Learning? / Explain deep learning. => Deep learning is machine learning with neural networks of many layers. The layers learn from examples.
What is a neural network? / Explain neural networks. => A neural network is a program made of layers of numbers. It learns these numbers from examples.
What is AI? / What is artificial intelligence? / Explain AI. => AI means programs that do things for which people need thinking, such as reading, writing or playing games.
What is inference? / What does inference mean? => Inference means using a trained model: you give it an input, and it gives you an output.
What is training? / What does it mean to train a model? => Training means that a model changes its numbers until it does well on many examples.
What is a GPU? / What is a CPU? => It is a part of a computer that computes. A CPU does all kinds of work, and a GPU does many sums at once.
What is the internet? => The internet is a network that joins computers all over the world.
What is Colab? / What is Google Colab? => Colab is a service by Google that runs notebooks in the cloud.
What is open source? / What is open source software? => Open source means that everyone may read, use and change the code of a program.
Say yes if it works. / Does it work? / Say yes. => Yes
asdf / blah blah / xyz / hmm / ??? => I did not understand that. Please ask me in another way.
"""

OPPOSITES = """hot cold, big small, fast slow, old young, happy sad, day night, up down, left right, open closed, good bad, light dark,
full empty, high low, long short, wet dry, early late, loud quiet, hard soft, rich poor, thick thin, clean dirty, strong weak,
first last, inside outside, black white, yes no, true false"""
